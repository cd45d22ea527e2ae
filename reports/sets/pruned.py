"""What became of a network after pruning and fine-tuning by each criterion, in the runs of `make prune`."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.reports.inputs.pruning_runs import read_study

FOLDER = "pruning"


def pruned_by(case: str, seed: int, root: Path) -> pd.DataFrame:
    """A row for each criterion by which a case was pruned to the target with otherwise equal settings; higher is better.

    Of several such groups of runs it is the one with the most criteria. Columns are test accuracy and minus test loss, `after
    fine-tuning` at the end and `on the way`, a mean over all steps before that; accuracies are missing where one is undefined.
    There are no rows if there are no runs.
    """
    if not any((runs.folder(case, seed, root) / FOLDER).glob("*.safetensors")):
        return pd.DataFrame()
    alike: dict[str, dict[str, dict[str, float]]] = {}
    for files in read_study(case, [seed], root, FOLDER).runs.values():
        facts = files[0].facts
        if not facts["why"]:  # else it was stopped before it came to its target
            settings = {name: value for name, value in facts["settings"].items() if name != "criterion"}
            group = alike.setdefault(json.dumps(settings, sort_keys=True, default=str), {})
            group[str(facts["settings"]["criterion"])] = _outcomes(files[0])
    table = pd.DataFrame.from_dict(max(alike.values(), key=len, default={}), orient="index")
    return table.loc[:, table.notna().all()]


def _outcomes(file: RunFile) -> dict[str, float]:
    rows: list[dict[str, Any]] = file.facts["rows"]
    steps = [row for row in rows[1:] if not row.get("final")]
    return {
        f"{name} {when}": sign * sum(row[f"test_{name}"] for row in of) / len(of)
        for name, sign in (("accuracy", 1), ("loss", -1))
        if all(f"test_{name}" in row for row in rows)
        for when, of in (("after fine-tuning", rows[-1:]), ("on the way", steps or rows[-1:]))
    }
