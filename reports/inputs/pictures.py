"""Reads the pictures of a run's examples, those that lie beside its oracle and belong to it."""

import base64

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs.pictures import FILE, KIND, unpacked
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.read import Run


def pictures_of(run: Run) -> dict[int, str]:
    """Pictures by the example's place in the oracle's file, as `data:` addresses; none where they are missing or of another.

    BadInput if their file is damaged.
    """
    path = run.oracle.path.with_name(FILE)
    if not path.is_file():
        return {}
    file = checked_facts(runs.load(path, KIND), {"oracle": str})
    if file.facts["oracle"] != run.oracle.checksum:
        return {}
    return {one: f"data:image/webp;base64,{base64.b64encode(picture).decode()}" for one, picture in unpacked(file).items()}
