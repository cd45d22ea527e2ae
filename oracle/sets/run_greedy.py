"""Greedy sets of one case: finds them by measuring the oracle anew after every removal, and writes the run file."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import numpy as np

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.scores import mean, mean_abs
from pruning_oracle.bench.setting import Finished, Resources
from pruning_oracle.oracle.measurement import opened
from pruning_oracle.oracle.sets.greedy import Greedy, greedy_sets

# the modules whose code determines the sets in a file of greedy sets
SOURCES = ("oracle/sets/greedy.py", "bench/cutting/trial.py", "bench/network/cost.py", "bench/evaluation.py")
KIND = "greedy"
REDUCES = {"greedy": mean, "greedy_mean_abs": mean_abs}  # the least joint loss; the least mean of magnitudes


def run_greedy(
    case: Case, out: Path, shares: Sequence[float], step: float, choice: ExampleChoice, resources: Resources
) -> Finished:
    """Writes the sets that greedy removals reach at `shares` of the maps to `out`, unless that is up to date.

    `step` is the share of the maps that goes before the oracle is measured anew. A run that was interrupted goes on. The fact
    `sets` lists them: `chooser`, `within` each site or not, `share` and `maps` by site.
    """
    asked = {"engine": "replay", "shares": list(shares), "step": step}
    of = opened(case, out, KIND, choice, resources, SOURCES, asked, ZERO)
    if before := of.before():
        return before
    start, facts, levels = monotonic(), of.facts(), levels_to(shares, step)
    maps = sum(site.maps for site in of.case.sites)
    found = []
    with of.units() as units:
        whole = prepared(of.case)
        for name, reduce in REDUCES.items():
            for within in (True, False):
                way = Greedy(f"{name.replace('_', '-')}-{'each' if within else 'all'}", within, reduce, levels, maps)
                sets = dict(zip(levels, greedy_sets(whole, way, of.rows, of.batch, of.held, units), strict=True))
                found += [{"chooser": name, "within": within, "share": share, "maps": sets[share].named} for share in shares]
        facts |= {"sets": found, "uncut": [out.convolution for out in whole.uncut], "seconds": round(monotonic() - start, 2)}
        return of.save({"rows": np.array(of.rows)}, facts)


def levels_to(shares: Sequence[float], step: float) -> tuple[float, ...]:
    """The shares of the maps that have gone after each step: multiples of `step` up to the largest share, and the shares."""
    most = max(shares)
    even = [round(place * step, 9) for place in range(1, int(most / step + 1e-9) + 1)]
    return tuple(sorted({*even, *shares}))
