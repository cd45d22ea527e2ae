"""Facts and columns of the pruning runs of a case: every network that every run went through, as the run's file has it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.reports.inputs.definitions import OWN, definitions
from pruning_oracle.reports.inputs.pruning_runs import MORE, PrunedCase, PruningStudy, Step
from pruning_oracle.reports.inputs.source import sentences, source
from pruning_oracle.reports.page.content.networks import Network
from pruning_oracle.reports.page.content.pack import Columns
from pruning_oracle.reports.sections.curves import judge

FIELDS = ("maps", "flops", "parameters", "test_loss", "test_accuracy", "removed_loss", "bias_loss", "batchnorm_loss")
TITLES = {"pruning": "Rankings compared"} | MORE
NUMBERS = 400_000  # of a study that the page holds at most; of longer runs it leaves out networks, the first and last excepted


def pruning_runs(pruned: PrunedCase, tested: int | None = None) -> Network:
    """The facts of a case's pruning runs, and its columns; those of the first study are named `0/steps` and `0/sites`.

    `steps` [network, field] has the fields that the study's facts name, `sites` [network, site] how many maps each site has
    left; a run's networks at a seed are `count` rows from `first` on, the whole network first.

    Args:
        pruned: the case's studies.
        tested: how many test examples judged networks in files that do not say it.
    """
    studies, columns = list[dict[str, Any]](), Columns()
    for place, study in enumerate(pruned.studies):
        facts, own = _study(study, tested)
        studies.append(facts)
        columns |= {f"{place}/{name}": column for name, column in own.items()}
    return {"name": pruned.case, "why": pruned.why, "studies": studies}, columns


def files_of(pruned: Sequence[PrunedCase]) -> list[RunFile]:
    """The files of all runs of some cases."""
    return [file for one in pruned for study in one.studies for files in study.runs.values() for file in files]


def _study(study: PruningStudy, tested: int | None) -> Network:
    files = [file for several in study.runs.values() for file in several]
    every = [row for file in files for row in file.facts["rows"]]
    fields = [name for name in FIELDS if any(name in row for row in every)]
    most = max(2, NUMBERS // (len(files) * (len(fields) + len(files[0].facts["sites"]))))
    kept, runs = list[Step](), list[dict[str, Any]]()
    for name, several in study.runs.items():
        seeds = []
        for file in several:
            plain = [row for row in file.facts["rows"] if not row.get("final")]
            steps = [plain[place] for place in _places(len(plain), most)]
            seeds.append({"seed": file.facts["seed"], "first": len(kept), "count": len(steps), "why": file.facts["why"]})
            seeds[-1] |= {"of": len(plain), "final": _final(file)}
            kept += steps
        runs.append({"name": name, "seeds": seeds} | _about(several[0], tested))
    about = source([], files)
    facts = {
        "folder": study.folder,
        "title": TITLES[study.folder],
        "said": study.said,
        "judged": judge(study),
        "fields": fields,
        "sites": files[0].facts["sites"],
        "runs": runs,
        "sentences": sentences(about),
        "source": {"bibtex": about["bibtex"]},
    }
    steps_of = np.array([[row.get(name, np.nan) for name in fields] for row in kept], float)
    return facts, {"steps": steps_of, "sites": np.array([row["sites"] for row in kept])}


def _about(file: RunFile, tested: int | None) -> dict[str, Any]:
    """What a run is: its criterion and family (an oracle has none), updates between removals, examples that judge it."""
    settings = file.facts["settings"]
    criterion = settings.get("criterion", "")
    known = definitions().get(criterion)
    return {
        "criterion": criterion,
        "family": None if criterion in ORACLES else known.family if known else OWN,
        "updates": settings.get("updates"),
        "n": file.facts.get("test examples") or settings.get("tested") or tested,
    }


def _final(file: RunFile) -> dict[str, float | None] | None:
    """Loss and accuracy after the fine-tuning at the end, where there was one."""
    last = file.facts["rows"][-1]
    if not last.get("final"):
        return None
    values = {name: last.get(f"test_{name}") for name in ("loss", "accuracy")}
    return {name: None if value is None or not np.isfinite(value) else float(value) for name, value in values.items()}


def _places(count: int, most: int) -> list[int]:
    """The places of at most so many of `count` steps, evenly, with the first and the last."""
    return list(range(count)) if count <= most else np.linspace(0, count - 1, most).round().astype(int).tolist()
