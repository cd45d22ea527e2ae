"""Measures a case's oracle: the change in loss of every example when each feature map is removed, in nats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import fingerprint, network_facts, open_for_measuring, stage_options
from pruning_oracle.bench.errors import BadInput, exit_with, unknown
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.choice import choice_of
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs.kinds import LOG
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.least import least_bytes
from pruning_oracle.oracle.measure import CHECKED, ENGINES, Oracle, measure, recheck
from pruning_oracle.oracle.progress import logged
from pruning_oracle.oracle.resume import Units

# the modules whose code determines the numbers in an oracle's file
SOURCES = ("oracle/measure.py", "oracle/estimated/sampling.py", "bench/network/cost.py", "bench/evaluation.py")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    parser = stage_options("oracle", __doc__)
    parser.add_argument("--engine", default="replay", help=f"{' or '.join(ENGINES)} (default replay)")
    parser.add_argument("--budget", help="estimate: measure a share of the pairs, such as 0.05, or for so long, such as 60s")
    parser.add_argument("--until", help="estimate: until spearman=0.98 is likely, or intervals have at most width=0.01 nats")
    given = parser.parse_args(arguments)
    goal = Goal.parse(given.budget, given.until)
    if given.engine not in ENGINES:
        raise unknown("engine", given.engine, ENGINES)
    if not goal.exact and given.engine != "replay":
        raise BadInput(f"--engine {given.engine} measures every pair: without it, --budget and --until estimate")
    limited = given.memory is not None
    opened = open_for_measuring("oracle.safetensors", runs.run_file("oracle"), given, SOURCES)
    case, out = opened.case, opened.out
    choice = choice_of(given)
    rows, _ = choice.split(case)
    asked = {"engine": given.engine, "budget": given.budget, "until": given.until} | choice.facts(case)
    setting = opened.setting | asked | {"examples": len(rows), "data": fingerprint(case.train, rows)}
    if runs.is_current(out, "oracle", setting):
        Units(out, setting).discard()
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    memory.check_least(given.memory, limited, least_bytes(case, given.engine), f"{case.name}: one example's oracle")
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting)}
    lines = runs.beside(out, ".log")
    runs.check_writable(lines, LOG)
    loss, accuracy = evaluate(case, case.test, range(len(case.test)), given.batch)  # first: what fails here costs no oracle
    facts["test"] = {"loss": loss, "accuracy": accuracy, "examples": len(case.test)}
    with logged(lines), Units(out, setting).hold() as units:
        engine = ENGINES[given.engine](case, given.memory, units.choices)
        if isinstance(engine, Replay) and not goal.exact:
            sampling = Sampling(case, engine, rows, given.batch, units, seed=asked["sample seed"])
            oracle, arrays, more = _estimated(sampling, goal)
            facts |= more
        else:
            oracle, arrays = measure(case, engine, rows, given.batch, units), dict[str, np.ndarray]()
        difference = recheck(case, oracle, rows, _measured(case, arrays))
        facts |= {"choices": dict(units.choices), "recheck": {"triples": CHECKED, "largest difference": difference}}
        _save(out, facts, oracle, rows, arrays)
    size = f"{sum(site.maps for site in case.sites)} maps at {len(case.sites)} sites on {len(rows)} examples"
    print(f"{case.name} seed {case.seed}: {size} in {oracle.seconds:.0f} s, in {out}")
    print(f"measured again literally on {CHECKED} random (site, map, example) triples: largest difference {difference:.1g}")


def _estimated(sampling: Sampling, goal: Goal) -> tuple[Oracle, runs.Arrays, dict[str, Any]]:
    """Runs the sampling until `goal` is met; returns the oracle, further arrays for its file, and facts about the run."""
    found = sampling.run(goal)
    arrays = {f"measured/{name}": mask for name, mask in found.measured.items()}
    for name, estimates in found.estimates.items():
        arrays |= {f"{part}/{name}": value for part, value in vars(estimates).items()}
    print(f"estimated: {found.share:.1%} of the pairs measured in {found.rounds} rounds{goal.said(found.reached)}")
    if goal.quality and not goal.met(found.reached):
        print(f"{goal} is not likely within the budget")
    facts = {"share": found.share, "rounds": found.rounds, "goal": str(goal)}
    facts |= {"reached": found.reached} if goal.quality else {}
    return found.oracle, arrays, {"engine": "sampled", "estimated": facts}


def _measured(case: Case, arrays: runs.Arrays) -> dict[str, np.ndarray] | None:
    """The pairs that were measured, a mask `[example, map]` by site; None if all were."""
    return {site.name: arrays[f"measured/{site.name}"] for site in case.sites} if arrays else None


def _save(out: Path, facts: dict[str, Any], oracle: Oracle, rows: list[int], more: runs.Arrays) -> None:
    facts |= {"seconds": round(oracle.seconds, 2)}
    arrays = {f"change/{name}": change.numpy() for name, change in oracle.changes.items()}
    arrays |= more | {"kept": oracle.kept.numpy(), "rows": np.array(rows)}
    if oracle.labels is not None:
        arrays["labels"] = oracle.labels.numpy()
    runs.save(out, "oracle", arrays, facts | runs.provenance())


if __name__ == "__main__":
    exit_with(main)
