"""How good estimated oracles are: many of them, drawn from a whole oracle that was measured once, and a few really measured."""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench import runs
from bench.case import Case
from bench.command import fingerprint, options, prepare
from bench.errors import exit_with
from bench.runs import Arrays
from oracle.coverage import coverage, promises
from oracle.goal import Goal
from oracle.ingredients import INGREDIENTS, Ingredients, Reduced
from oracle.measure import measure
from oracle.recorded import Known, Recorded, agreement, spearman
from oracle.replay import Replay
from oracle.sampled import Sampled, Sampling

SHARES = (1 / 40, 1 / 20, 1 / 10, 1 / 5)
EXACT = "the exact engine"


def curves(case: Case, first: Arrays, whole: Known, repeats: int) -> Iterator[dict[str, Any]]:
    """Spearman with the whole oracle for every ingredient, share and repetition."""
    for name, used in INGREDIENTS.items():
        for share in SHARES:
            for seed in range(repeats):
                known = Recorded(dataclasses.replace(case, seed=seed), first, whole, used).run(Goal(share, rounds=used.rounds))
                sites, every = spearman(known.estimates, used.kind, whole)
                yield {"ingredients": name, "share": share, "measured": known.share, "seed": seed, "sites": sites, "all": every}


def examples_for(quality: float, whole: Known, repeats: int) -> int:
    """The fewest examples whose oracle agrees so well with that of all, in the mean of so many draws of them."""
    total, random = len(next(iter(whole.values()))), np.random.default_rng(0)
    orders = [random.permutation(total) for _ in range(repeats)]
    least, enough = 1, total
    while least < enough:
        count = (least + enough) // 2
        found = [agreement({name: of[order[:count]].mean(0) for name, of in whole.items()}, whole)[0] for order in orders]
        least, enough = (least, count) if np.mean(found) >= quality else (count + 1, enough)
    return enough


def timings(
    case: Case, held: int, rows: list[int], size: int, whole: Known, repeats: int, timed: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Seconds of really measured oracles by turns, a backward pass included where there is one; planning is done before."""

    def once(used: Ingredients, share: float, seed: int) -> tuple[float, Sampled]:
        start = time.perf_counter()
        found = Reduced(used, dataclasses.replace(case, seed=seed), engine, rows, size).run(Goal(share, rounds=used.rounds))
        return time.perf_counter() - start, found

    alike: dict[Ingredients, list[str]] = {}  # which estimate is read of the pairs takes no time
    for name in timed:
        alike.setdefault(dataclasses.replace(INGREDIENTS[name], kind=""), []).append(name)
    engine = Replay(case, held)
    once(Ingredients(), SHARES[0], 0)
    for turn in range(repeats):
        for used, share in itertools.product(alike, SHARES):
            seconds, found = once(used, share, turn)
            for name in alike[used]:
                sites, every = spearman(found.estimates, INGREDIENTS[name].kind, whole)
                yield {"ingredients": name, "share": share, "turn": turn, "seconds": seconds, "sites": sites, "all": every}
        start = time.perf_counter()
        measure(case, engine, rows, size)
        seconds = time.perf_counter() - start
        yield {"ingredients": EXACT, "share": 1.0, "turn": turn, "seconds": seconds, "sites": 1.0, "all": 1.0}


def main() -> None:
    """The command line."""
    parser = options("oracle.trial", __doc__)
    parser.add_argument("--repeats", type=int, default=10, help="of every curve's points (default 10)")
    parser.add_argument("--coverage", type=int, default=200, help="estimated oracles for the coverage (default 200)")
    parser.add_argument("--turns", type=int, default=3, help="of what is really timed (default 3)")
    parser.add_argument(
        "--timed", nargs="+", choices=INGREDIENTS, default=list(INGREDIENTS), help="ingredients really timed (default all)"
    )
    given = parser.parse_args()
    case, _, facts = prepare("trial", given)
    out = given.out or runs.folder(case.name, case.seed) / "estimated.json"
    rows = case.split(given.examples)[0]
    oracle = measure(case, Replay(case, given.memory), rows, given.batch)
    whole = {name: change.double().numpy() for name, change in oracle.changes.items()}
    first = Sampling(case, Replay(case, given.memory), rows, given.batch).look()
    found = {
        "curves": list(tqdm(curves(case, first, whole, given.repeats), desc="curves", leave=False, disable=None)),
        "coverage": [coverage(case, first, whole, given.coverage, share) for share in (1 / 20, 1 / 10)],
        "promises": list(promises(case, first, whole, given.coverage // 2)),
        "timings": list(timings(case, given.memory, rows, given.batch, whole, given.turns, given.timed)),
    }
    about = {name: facts[name] for name in ("case", "seed", "precision", "device", "threads", "batch", "weights")}
    about |= {"examples": len(rows), "data": fingerprint(case.train, rows), "maps": sum(site.maps for site in case.sites)}
    runs.write_atomically(out, json.dumps(about | found | runs.provenance(), indent=1) + "\n")
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
