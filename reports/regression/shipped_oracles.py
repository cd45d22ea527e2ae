"""The oracles of the embedded cases that ship with the suite: when one stands for a measurement, and how they are renewed.

The truth of the same weights on the same examples depends on no version of a library, nor on how it was computed, but for
rounding. So a shipped oracle is trusted by the digests of weights and examples, and not by that of the code: instead a test of
the suite measures it anew, and goes red if the suite no longer measures what it ships.
"""

from pathlib import Path

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.provenance import ROOT
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.read import SHIPPED, Run
from pruning_oracle.reports.inputs.shapes import CRITERIA, ORACLE
from pruning_oracle.reports.regression import baseline

FOLDER = ROOT / "reports/oracles"
WEIGHTS = ROOT / "bench/weights"
ROUNDING = 1e-4  # relative to the larger of the two losses, or to 1 nat if that is more: as replay may differ from literal


def path(case: str, seed: int, folder: Path = FOLDER) -> Path:
    """Where the oracle of a case at a seed ships, if it does."""
    return folder / f"{checked_name('the name of a case', case)}-{seed}.safetensors"


def unfit(criteria: RunFile, folder: Path = FOLDER) -> str:
    """Why no shipped oracle stands for a measurement of what criteria were scored on, as a clause; empty if one does."""
    asked = checked_facts(criteria, CRITERIA).facts
    file = path(asked["case"], asked["seed"], folder)
    if not file.is_file():
        return "none ships"
    ours = checked_facts(runs.load(file, "oracle"), ORACLE).facts
    same = {
        "weights": ours["weights"] == asked["weights"],
        "examples": ours["data"] == asked["shared"]["data"],
        "sites": ours["sites"] == asked["sites"],
        "precision": ours["precision"] == asked["precision"],
    }
    others = [what for what, equal in same.items() if not equal]
    return f"the one that ships is of other {' and '.join(others)}" if others else ""


def renew_beside(found: list[Run], baselines: Path) -> list[int]:
    """Renews the oracles that ship of runs whose baselines are the suite's own; returns the seeds of those it renewed."""
    return [run.seed for run in found if renew(run, FOLDER)] if baselines == baseline.FOLDER else []


def renew(run: Run, folder: Path = FOLDER) -> bool:
    """Ships the oracle of a run of an embedded case, unless the one that ships says the same; returns whether it did.

    An estimated oracle never ships, nor one with a fill. What the numbers differ by is rounding up to `ROUNDING`.
    """
    if run.estimated or run.filled or not (WEIGHTS / path(run.case, run.seed).name).is_file():
        return False
    file = path(run.case, run.seed, folder)
    if file.is_file() and not unfit(run.criteria, folder):
        shipped = runs.load(file, "oracle").arrays
        if all(difference(shipped, run.oracle.arrays, site) <= ROUNDING for site in run.sites):
            return False
    needed = {
        name: array for name, array in run.oracle.arrays.items() if name in {"kept", "rows"} or name.startswith("change/")
    }
    runs.save(file, "oracle", needed, run.oracle.facts | {SHIPPED: True})
    return True


def difference(one: runs.Arrays, other: runs.Arrays, site: str) -> float:
    """The largest difference of two oracles at a site, relative to the largest loss involved, or to 1 nat if that is more."""
    kept = np.maximum(np.abs(one["kept"]), np.abs(other["kept"]))[:, None]
    left, right = one[f"change/{site}"], other[f"change/{site}"]
    scale = np.maximum(1, np.maximum(kept, np.abs(one["kept"][:, None] + left)))
    return float(np.max(np.abs(left - right) / scale))
