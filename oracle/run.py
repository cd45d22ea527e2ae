"""Stage 1 on one case: measures or estimates its oracle, checks a few removals again, and writes the run file."""

from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs.kinds import LOG
from pruning_oracle.bench.setting import (
    Finished,
    Resources,
    fingerprint,
    finished_before,
    network_facts,
    open_for_measuring,
)
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.least import least_bytes
from pruning_oracle.oracle.measure import CHECKED, ENGINES, Oracle, measure, recheck
from pruning_oracle.oracle.progress import logged
from pruning_oracle.oracle.resume import Units

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
) -> Finished:
    """Writes the oracle of a case to `out`, unless that is up to date; a run that was interrupted goes on.

    The setting is `choice`, `resources`, the name of an engine (a key of `ENGINES`), and for an estimated oracle a `budget` or
    what it is measured `until` (see `Goal.parse`). BadInput names what is wrong, before anything is measured.
    """
    goal = Goal.parse(budget, until)
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if not goal.exact and engine != "replay":
        raise BadInput(f"--engine {engine} measures every pair: without it, --budget and --until estimate")
    rows = choice.split(case)[0]
    opened = open_for_measuring(case, out, runs.run_file("oracle"), resources, SOURCES)
    case, (batch, held) = opened.case, (opened.setting[name] for name in ("batch", "memory"))
    asked = {"engine": engine, "budget": budget, "until": until} | choice.facts(case)
    setting = opened.setting | asked | {"examples": len(rows), "data": fingerprint(case.train, rows)}
    if before := finished_before(out, "oracle", setting):
        Units(out, setting).discard()
        return before
    memory.check_least(held, resources.memory is not None, least_bytes(case, engine), f"{case.name}: one example's oracle")
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting)}
    lines = runs.beside(out, ".log")
    runs.check_writable(lines, LOG)
    loss, accuracy = evaluate(case, case.test, range(len(case.test)), batch)  # first: what fails here costs no oracle
    facts["test"] = {"loss": loss, "accuracy": accuracy, "examples": len(case.test)}
    with logged(lines), Units(out, setting).hold() as units:
        made = ENGINES[engine](case, held, units.choices)
        if isinstance(made, Replay) and not goal.exact:
            sampling = Sampling(case, made, rows, batch, units, seed=asked["sample seed"])
            oracle, arrays, estimated = _estimated(sampling, goal)
            facts |= {"engine": "sampled", "estimated": estimated}
        else:
            oracle, arrays = measure(case, made, rows, batch, units), dict[str, np.ndarray]()
        difference = recheck(case, oracle, rows, _measured(case, arrays))
        facts |= {"choices": dict(units.choices), "recheck": {"triples": CHECKED, "largest difference": difference}}
        facts |= {"seconds": round(oracle.seconds, 2)} | runs.provenance()
        runs.save(out, "oracle", _arrays(oracle, rows) | arrays, facts)
    return Finished(out, facts, False)


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
