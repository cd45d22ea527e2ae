"""Compares the criteria of measured runs with their baselines, and accepts new baselines with a reason."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.inputs.read import Run, check_alike, read_run
from pruning_oracle.reports.inputs.tables import markdown
from pruning_oracle.reports.regression import baseline
from pruning_oracle.reports.regression.baseline import ACCEPT, Baseline
from pruning_oracle.reports.regression.figures import Figures, figures
from pruning_oracle.reports.regression.significance import INTERVAL, NEW, SAME, Finding, compare
from pruning_oracle.reports.sets.quick import read_quick


@dataclass(frozen=True)
class MeasuredFigures:
    """The runs of a case, one per seed, and the figures of their criteria by seed."""

    runs: list[Run]
    figures: dict[int, Figures]

    @property
    def case(self) -> str:
        """The case's name."""
        return self.runs[0].case

    @property
    def criteria(self) -> set[str]:
        """The names of the criteria."""
        return {name for known in self.figures.values() for name, _ in known}


def measured_figures(case: str, seeds: Sequence[int], root: Path) -> MeasuredFigures:
    """The runs of a case at the seeds, checked to be measured alike, with their figures; `root` is the folder of all runs."""
    found = [read_run(case, seed, root) for seed in seeds]
    check_alike(found)
    if found[0].filled:
        raise BadInput(f"{found[0].oracle.path} has another fill than zero, of which baselines are: measure it again")
    quick = {run.seed: read_quick(run, runs.folder(case, run.seed, root)) for run in found}
    return MeasuredFigures(found, {run.seed: figures(run, quick[run.seed]) for run in found})


def findings(now: MeasuredFigures, folder: Path, accept_with: str = ACCEPT) -> list[Finding]:
    """The findings for the runs of a case against its baseline in `folder`; without a baseline, every figure is new."""
    known = baseline.read_baseline(now.case, folder)
    if known is None:
        return compare(now.case, {seed: {} for seed in now.figures}, now.figures)
    baseline.check_origin(known, now.runs, baseline.path(now.case, folder), accept_with)
    return compare(now.case, known.figures, now.figures)


def gone(now: MeasuredFigures, folder: Path) -> set[str]:
    """The criteria that have a baseline but were not measured."""
    known = baseline.read_baseline(now.case, folder)
    return set(known.accepted) - now.criteria if known else set()


def accept(now: MeasuredFigures, folder: Path, reason: str, only: Collection[str] | None = None) -> list[Finding]:
    """Makes the figures of the runs the baseline, of the criteria in `only` if given; returns the findings that this changed.

    A criterion that is neither better nor worse keeps the baseline it had, so that small losses, accepted one after another,
    cannot add up unseen. A baseline of other weights, examples, seeds, sites or draws is replaced as a whole.
    """
    if not reason.strip():
        raise BadInput(f"a new baseline needs a reason: {ACCEPT}")
    known = _usable(now, folder) or Baseline(now.case, {seed: {} for seed in now.figures}, {}, baseline.origin(now.runs))
    open_to = set(known.accepted) | now.criteria if only is None else set(only)
    changes = [change for change in compare(now.case, known.figures, now.figures) if change.verdict != SAME]
    changes = [change for change in changes if change.criterion in open_to]
    renewed = {change.criterion for change in changes} | (now.criteria - set(known.accepted)) & open_to
    kept = {name: why for name, why in known.accepted.items() if name not in renewed}
    note = {"accepted": runs.provenance()["when"][:10], "reason": " ".join(reason.split())}
    accepted = kept | dict.fromkeys(sorted(renewed & now.criteria), note)
    merged = {seed: _of(kept, known.figures[seed]) | _of(renewed, found) for seed, found in now.figures.items()}
    if renewed:
        baseline.write(Baseline(now.case, merged, accepted, known.origin), folder)
    return changes


def _of(criteria: Collection[str], known: Figures) -> Figures:
    return {key: figure for key, figure in known.items() if key[0] in criteria}


def _usable(now: MeasuredFigures, folder: Path) -> Baseline | None:
    """The baseline of the case if it is intact and has the same origin as the runs; otherwise None."""
    try:
        known = baseline.read_baseline(now.case, folder)
    except BadInput:  # it was altered or truncated: a new one replaces it
        return None
    return known if known is not None and known.origin == baseline.origin(now.runs) else None


def changes_table(found: list[Finding]) -> pd.DataFrame:
    """A table of all findings that differ from the baseline, regressions first."""
    order = sorted((one for one in found if one.verdict != SAME), key=lambda one: (not one.fails, one.verdict, one.case))
    return pd.DataFrame(
        {
            "": finding.verdict,
            "criterion": finding.criterion,
            "case": finding.case,
            "figure": finding.figure,
            "baseline": finding.expected_said,
            "now": finding.got_said,
            f"difference, {INTERVAL} interval": finding.difference_said,
        }
        for finding in order
    )


def print_findings(found: list[Finding]) -> bool:
    """Prints what changed and, for every regression, a line with the command that accepts it; True if there is none."""
    changed, failed = changes_table(found), [finding for finding in found if finding.fails]
    if len(changed):
        print(markdown(changed, disable_numparse=True) + "\n")
    same, new = (sum(finding.verdict == verdict for finding in found) for verdict in (SAME, NEW))
    print(f"{len(found)} figures: {same} as their baselines, {new} new, {len(failed)} failed")
    for finding in failed:
        print(f"{finding.line}; to accept: {ACCEPT}", file=sys.stderr)
    return not failed
