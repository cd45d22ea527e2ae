"""Baseline files, the accepted figures of criteria: `<case>.safetensors` to compare with, `<case>.csv` for people to review.

A baseline keeps each figure of each criterion at each site, its draws, when it was accepted and why. It holds only for the
weights, examples, sites and draws that it was measured with: a comparison with runs of others is an error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.kinds import BASELINES
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.provenance import PROJECT, ROOT
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.inputs.shapes import BASELINE
from pruning_oracle.reports.inputs.tables import csv_text
from pruning_oracle.reports.regression.figures import FIGURES, JOINT, Figure, Figures, digest_of_draws

FOLDER = ROOT / "reports/baselines"
ACCEPT = 'make regress-accept REASON="why"'


@dataclass(frozen=True)
class Baseline:
    """The accepted figures of a case by seed, and for each criterion when it was accepted and why."""

    case: str
    figures: dict[int, Figures]
    accepted: dict[str, dict[str, str]]
    origin: dict[str, Any]  # what it was measured with, by seed


def path(case: str, folder: Path) -> Path:
    """The path of a case's baseline."""
    return folder / f"{checked_name('the name of a case', case)}.safetensors"


def folder_to_write(cases: list[str], given: Path | None) -> Path:
    """The `given` folder, or that of the suite's own baselines: only in a checkout, and only for the suite's own cases."""
    for case in cases:
        checked_name("the name of a case", case)
    others = [case for case in cases if not (ROOT / f"bench/cases/{case.replace('-', '_')}.py").is_file()]
    if given is None and (others or not PROJECT.is_file()):
        why = f"{', '.join(others)}: no case of the suite's" if others else "an installed copy is not written into"
        raise BadInput(f"give the folder to write baselines to: --baselines FOLDER ({why})")
    return given or FOLDER


def origin(found: list[Run]) -> dict[str, Any]:
    """Everything that figures depend on besides the criterion, by seed; only figures of equal origin can be compared."""
    return {
        str(run.seed): {
            "weights": run.oracle.facts["weights"],
            "examples": run.oracle.facts["examples"],
            "choice of examples": runs.digest(_rows(run)),
            "precision": run.oracle.facts["precision"],
            "sites": [[site["name"], site["maps"]] for site in run.oracle.facts["sites"]],
            "bootstrap draws": digest_of_draws(run),
        }
        for run in found
    }


def _rows(run: Run) -> runs.Arrays:
    return {"shared": run.oracle.arrays["rows"], "fresh": run.criteria.arrays["fresh/rows"]}


def read_baseline(case: str, folder: Path) -> Baseline | None:
    """The baseline of a case, or None if it has none."""
    if not path(case, folder).exists():
        return None
    file = checked_facts(runs.load(path(case, folder), "baseline"), BASELINE)
    facts = file.facts
    try:
        figures: dict[int, Figures] = {
            int(seed): {
                (criterion, figure): Figure(
                    *(file.arrays[f"{criterion}/{figure}/{part}/{seed}"] for part in ("sites", "draws"))
                )
                for criterion in facts["accepted"]
                for figure in FIGURES
                if figure != JOINT or f"{criterion}/{figure}/sites/{seed}" in file.arrays
            }
            for seed in facts["origin"]
        }
    except (KeyError, ValueError) as error:
        raise BadInput(f"{file.path} is damaged: it lacks {error}") from error
    return Baseline(facts["case"], figures, facts["accepted"], facts["origin"])


def check_origin(baseline: Baseline, found: list[Run], where: Path, accept: str = ACCEPT) -> None:
    """Raises BadInput if the baseline, read from `where`, has other weights, examples, sites or draws than the runs."""
    for seed, own in origin(found).items():
        theirs = baseline.origin.get(seed)
        if theirs is None:
            held = ", ".join(baseline.origin)
            raise BadInput(
                f"{where} holds no baseline of {baseline.case} seed {seed}, only of {held}: accept one with {accept}"
            )
        for what, value in own.items():
            if theirs.get(what) != value:
                values = f" ({theirs.get(what)} and {value})" if isinstance(value, (str, int)) else ""
                raise BadInput(
                    f"{where} and the run of {baseline.case} seed {seed} are of different {what}{values}:"
                    f" measure with those of the baseline, or accept new ones with {accept}"
                )


def write(baseline: Baseline, folder: Path) -> None:
    """Writes both files of a baseline."""
    file, table = path(baseline.case, folder), path(baseline.case, folder).with_suffix(".csv")
    runs.check_writable(file, runs.run_file("baseline"))
    runs.check_writable(table, BASELINES)
    arrays = {
        f"{criterion}/{figure}/{part}/{seed}": array.astype(np.float32 if part == "sites" else np.float16)
        for seed, figures in baseline.figures.items()
        for (criterion, figure), known in figures.items()
        for part, array in (("sites", known.sites), ("draws", known.draws))
    }
    facts = {"case": baseline.case, "accepted": baseline.accepted, "origin": baseline.origin}
    runs.save(file, "baseline", arrays, facts | runs.provenance())
    runs.write_atomically(table, csv_text(baseline_table(baseline)), BASELINES)


def baseline_table(baseline: Baseline) -> pd.DataFrame:
    """A row per criterion and figure: the figure at each seed, when it was accepted and why; empty where it is undefined."""
    rows = []
    for criterion in sorted(baseline.accepted):
        for figure in FIGURES:
            row = {"criterion": criterion, "figure": figure}
            values = {
                seed: known[criterion, figure].value for seed, known in baseline.figures.items() if (criterion, figure) in known
            }
            if not values:
                continue
            row |= {f"seed {seed}": f"{value:.4f}" for seed, value in values.items()}
            rows.append({name: "" if value == "nan" else value for name, value in row.items()} | baseline.accepted[criterion])
    return pd.DataFrame(rows)
