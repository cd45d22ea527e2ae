"""Stage 1 on one case: measures or estimates its oracle, checks a few removals again, and writes the run file."""

from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.class_names import class_names
from pruning_oracle.bench.setting import Finished, Resources
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import ENGINES, Oracle, measure, recheck
from pruning_oracle.oracle.measurement import opened
from pruning_oracle.oracle.recheck import CHECKED

CLASSES = "class names"  # the fact
# the modules whose code determines the numbers in an oracle's file
SOURCES = ("oracle/measure.py", "oracle/estimated/sampling.py", "bench/network/cost.py", "bench/evaluation.py")


def run_oracle(
    case: Case,
    out: Path,
    choice: ExampleChoice,
    resources: Resources,
    engine: str = "replay",
    budget: str | None = None,
    until: str | None = None,
    fill: str = ZERO,
) -> Finished:
    """Writes the oracle of a case to `out`, unless that is up to date; a run that was interrupted goes on.

    The setting is `choice`, `resources`, the name of an engine (a key of `ENGINES`), and for an estimated oracle a `budget` or
    what it is measured `until` (see `Goal.parse`), and what stands in a removed map's place (see `FILLS`). BadInput names what
    is wrong, before anything is measured.
    """
    goal = Goal.parse(budget, until)
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if not goal.exact and engine != "replay":
        raise BadInput(f"--engine {engine} measures every pair: without it, --budget and --until estimate")
    asked = {"engine": engine, "budget": budget, "until": until}
    of = opened(case, out, "oracle", choice, resources, SOURCES, asked, fill)
    names = class_names(case)
    if before := of.before():
        return with_class_names(before, names)
    of = of.filled()
    facts = of.facts() | ({CLASSES: names} if names else {})  # first: what fails here costs no oracle
    with of.units() as units:
        made = ENGINES[engine](of.case, of.held, units.choices)
        if isinstance(made, Replay) and not goal.exact:
            sampling = Sampling(of.case, made, of.rows, of.batch, units, seed=of.setting["sample seed"])
            oracle, arrays, estimated = _estimated(sampling, goal)
            facts |= {"engine": "sampled", "estimated": estimated}
        else:
            oracle, arrays = measure(of.case, made, of.rows, of.batch, units), dict[str, np.ndarray]()
        difference = recheck(of.case, oracle, of.rows, _measured(of.case, arrays))
        facts |= {"choices": dict(units.choices), "recheck": {"triples": CHECKED, "largest difference": difference}}
        return of.save(_arrays(oracle, of.rows) | arrays, facts | {"seconds": round(oracle.seconds, 2)})


def with_class_names(finished: Finished, names: list[str] | None) -> Finished:
    """An oracle that is up to date, whose file says what classes are called now: names change no number."""
    if finished.facts.get(CLASSES) == names:
        return finished
    file = runs.load(finished.out, "oracle")
    facts = {fact: value for fact, value in file.facts.items() if fact != CLASSES} | ({CLASSES: names} if names else {})
    runs.save(finished.out, "oracle", file.arrays, facts)
    return Finished(finished.out, facts, True)


def _estimated(sampling: Sampling, goal: Goal) -> tuple[Oracle, runs.Arrays, dict[str, Any]]:
    """Runs the sampling until `goal` is met; returns the oracle, further arrays for its file, and facts about the run."""
    found = sampling.run(goal)
    arrays = {f"measured/{name}": mask for name, mask in found.measured.items()}
    for name, estimates in found.estimates.items():
        arrays |= {f"{part}/{name}": value for part, value in vars(estimates).items()}
    facts = {"share": found.share, "rounds": found.rounds, "goal": str(goal)}
    return found.oracle, arrays, facts | ({"reached": found.reached} if goal.quality else {})


def _measured(case: Case, arrays: runs.Arrays) -> dict[str, np.ndarray] | None:
    """The pairs that were measured, a mask `[example, map]` by site; None if all were."""
    return {site.name: arrays[f"measured/{site.name}"] for site in case.sites} if arrays else None


def _arrays(oracle: Oracle, rows: list[int]) -> runs.Arrays:
    """What an oracle's file holds: changes, losses with every map kept, rows of the training set, classes if there are any."""
    arrays = {f"change/{name}": change.numpy() for name, change in oracle.changes.items()}
    arrays |= {"kept": oracle.kept.numpy(), "rows": np.array(rows)}
    return arrays if oracle.labels is None else arrays | {"labels": oracle.labels.numpy()}
