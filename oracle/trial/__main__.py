"""Tests estimated oracles: many are drawn from a whole oracle that was measured once, and a few are really measured."""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import fingerprint, open_for_measuring, stage_options
from pruning_oracle.bench.errors import exit_with
from pruning_oracle.bench.loading.choice import choice_of
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.bench.runs.bounds import COUNT, Bounds
from pruning_oracle.bench.runs.kinds import TRIAL
from pruning_oracle.bench.runs.options import add_number
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import EstimatedOracle, Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.trial.coverage import coverage, promises
from pruning_oracle.oracle.trial.ingredients import INGREDIENTS, Ingredients, steps_with
from pruning_oracle.oracle.trial.recorded import MeasuredChanges, agreement_of_estimates, agreement_with_whole, recorded

SHARES = (1 / 40, 1 / 20, 1 / 10, 1 / 5)
SOURCES = ("oracle/trial/coverage.py", "oracle/trial/recorded.py")
EXACT = "the exact engine"


def curves(case: Case, first: Arrays, whole: MeasuredChanges, repeats: int) -> Iterator[dict[str, Any]]:
    """Spearman of estimated oracles with the whole one: a row for every ingredient, share and repetition.

    `first` is what `Sampling.look` found.
    """
    for name, used in INGREDIENTS.items():
        for share in SHARES:
            for seed in range(repeats):
                known = recorded(dataclasses.replace(case, seed=seed), first, whole, used).run(Goal(share, rounds=used.rounds))
                sites, every = agreement_of_estimates(known.estimates, used.kind, whole)
                yield {"ingredients": name, "share": share, "measured": known.share, "seed": seed, "sites": sites, "all": every}


def examples_for(quality: float, whole: MeasuredChanges, repeats: int) -> int:
    """The fewest examples whose oracle has this Spearman with that of all examples, a mean over `repeats` random draws."""
    total, random = len(next(iter(whole.values()))), np.random.default_rng(0)
    orders = [random.permutation(total) for _ in range(repeats)]
    least, enough = 1, total
    while least < enough:
        count = (least + enough) // 2
        found = [
            agreement_with_whole({name: of[order[:count]].mean(0) for name, of in whole.items()}, whole)[0] for order in orders
        ]
        least, enough = (least, count) if np.mean(found) >= quality else (count + 1, enough)
    return enough


def time_oracles(
    case: Case, held: int, rows: list[int], size: int, whole: MeasuredChanges, repeats: int, timed: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Seconds and Spearman of oracles that are really measured, estimated and exact ones in turn.

    A backward pass is included where there is one; the engine's planning is done before.
    """

    def once(used: Ingredients, share: float, seed: int) -> tuple[float, EstimatedOracle]:
        start = time.perf_counter()
        found = Sampling(dataclasses.replace(case, seed=seed), engine, rows, size, steps=steps_with(used)).run(
            Goal(share, rounds=used.rounds)
        )
        return time.perf_counter() - start, found

    alike: dict[Ingredients, list[str]] = {}  # ingredients that differ in the kind of estimate alone take the same time
    for name in timed:
        alike.setdefault(dataclasses.replace(INGREDIENTS[name], kind=""), []).append(name)
    engine = Replay(case, held)
    once(Ingredients(), SHARES[0], 0)
    for turn in range(repeats):
        for used, share in itertools.product(alike, SHARES):
            seconds, found = once(used, share, turn)
            for name in alike[used]:
                sites, every = agreement_of_estimates(found.estimates, INGREDIENTS[name].kind, whole)
                yield {"ingredients": name, "share": share, "turn": turn, "seconds": seconds, "sites": sites, "all": every}
        start = time.perf_counter()
        measure(case, engine, rows, size)
        seconds = time.perf_counter() - start
        yield {"ingredients": EXACT, "share": 1.0, "turn": turn, "seconds": seconds, "sites": 1.0, "all": 1.0}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    parser = stage_options("oracle.trial", __doc__)
    add_number(parser, "--repeats", COUNT, "of every curve's points (default 10)", default=10)
    add_number(parser, "--coverage", Bounds(2, 10**6), "estimated oracles for the coverage (default 200)", default=200)
    add_number(parser, "--turns", COUNT, "of what is really timed (default 3)", default=3)
    parser.add_argument(
        "--timed", nargs="+", choices=INGREDIENTS, default=list(INGREDIENTS), help="ingredients really timed (default all)"
    )
    given = parser.parse_args(arguments)
    opened = open_for_measuring("estimated.json", TRIAL, given, SOURCES)
    case, facts, out = opened.case, opened.setting, opened.out
    rows = choice_of(given).split(case)[0]
    oracle = measure(case, Replay(case, given.memory), rows, given.batch)
    whole = {name: change.double().numpy() for name, change in oracle.changes.items()}
    first = Sampling(case, Replay(case, given.memory), rows, given.batch).look()
    found = {
        "curves": list(tqdm(curves(case, first, whole, given.repeats), desc="curves", leave=False, disable=None)),
        "coverage": [coverage(case, first, whole, given.coverage, share) for share in (1 / 20, 1 / 10)],
        "promises": list(promises(case, first, whole, given.coverage // 2)),
        "timings": list(time_oracles(case, given.memory, rows, given.batch, whole, given.turns, given.timed)),
    }
    about = {name: facts[name] for name in ("case", "seed", "precision", "device", "threads", "batch", "weights")}
    about |= {"examples": len(rows), "data": fingerprint(case.train, rows), "maps": sum(site.maps for site in case.sites)}
    runs.write_atomically(out, json.dumps(about | found | runs.provenance(), indent=1) + "\n", TRIAL)
    print(_said(case, found, out))


def _said(case: Case, found: dict[str, Any], out: Path) -> str:
    last = [row for row in found["curves"] if row["ingredients"] == list(INGREDIENTS)[-1]]
    lines = []
    for share in SHARES:
        reached = np.mean([row["sites"] for row in last if row["share"] == share])
        lines.append(f"{share:.1%} of the pairs: Spearman with the whole oracle {reached:.3f}")
    return "\n".join(
        [f"{case.name} seed {case.seed}, in {out}", *lines, *map(str, found["coverage"]), *map(str, found["promises"])]
    )


if __name__ == "__main__":
    exit_with(main)
