"""Tests estimated oracles: many are drawn from a whole oracle that was measured once, and a few are really measured."""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.bench.runs.kinds import TRIAL
from pruning_oracle.bench.setting import Resources, fingerprint, open_for_measuring
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


def run_trial(
    case: Case,
    out: Path,
    choice: ExampleChoice,
    resources: Resources,
    repeats: int = 10,
    draws: int = 200,
    turns: int = 3,
    timed: Sequence[str] = tuple(INGREDIENTS),
) -> dict[str, Any]:
    """Writes what the trial finds to `out`, and returns it.

    There are `repeats` of every curve's points, `draws` estimated oracles for the coverage, and `turns` of what is `timed`.
    """
    opened = open_for_measuring(case, out, TRIAL, resources, SOURCES)
    case, facts = opened.case, opened.setting
    rows, held, batch = choice.split(case)[0], facts["memory"], facts["batch"]
    oracle = measure(case, Replay(case, held), rows, batch)
    whole = {name: change.double().numpy() for name, change in oracle.changes.items()}
    first = Sampling(case, Replay(case, held), rows, batch).look()
    found = {
        "curves": list(bar(curves(case, first, whole, repeats), desc="curves", leave=False)),
        "coverage": [coverage(case, first, whole, draws, share) for share in (1 / 20, 1 / 10)],
        "promises": list(promises(case, first, whole, draws // 2)),
        "timings": list(time_oracles(case, held, rows, batch, whole, turns, timed)),
    }
    about = {name: facts[name] for name in ("case", "seed", "precision", "device", "threads", "batch", "weights")}
    about |= {"examples": len(rows), "data": fingerprint(case.train, rows), "maps": sum(site.maps for site in case.sites)}
    runs.write_atomically(out, json.dumps(about | found | runs.provenance(), indent=1) + "\n", TRIAL)
    return about | found
