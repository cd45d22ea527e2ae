"""A Shapley oracle: what a map changes, in the mean, when it goes after a random share of the other maps.

Maps go one by one in random orders, up to a share of all maps; a map's value is the mean change in loss of its own step, over
orders and examples. Orders come in pairs, one the other's reverse, so that nearly every map goes in one of both when half go.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import Reduction, mean
from pruning_oracle.reports.agreement.resampling import RESAMPLES, draws

Walk = list[tuple[str, int]]  # maps, by site, in the order in which they go


def walks(sizes: Mapping[str, int], count: int, share: float, seed: int) -> list[Walk]:
    """Random orders of maps, each cut off once a share of all maps has gone; a site's last map stays.

    Args:
        sizes: how many maps each site has.
        count: how many orders; of each two that follow one another, one is the other's reverse.
        share: of all maps, above 0.
        seed: what they are drawn from.
    """
    owners = [(site, index) for site, maps in sizes.items() for index in range(maps)]
    random, found = np.random.default_rng([seed, 11]), list[Walk]()
    for _ in range(-(-count // 2)):
        order = random.permutation(len(owners))
        found += [
            _first([owners[place] for place in turned], sizes, round(share * len(owners))) for turned in (order, order[::-1])
        ]
    return found[:count]


def _first(order: Walk, sizes: Mapping[str, int], most: int) -> Walk:
    """The first maps of an order that may go."""
    left, found = dict(sizes), list[tuple[str, int]]()
    for site, index in order:
        if left[site] > 1 and len(found) < most:
            left[site] -= 1
            found.append((site, index))
    return found


def prefixes(orders: Sequence[Walk]) -> list[dict[str, list[int]]]:
    """The sets of maps that have gone after each step of each order, one order after the other."""
    found = []
    for order in orders:
        gone: dict[str, list[int]] = {}
        for site, index in order:
            gone = gone | {site: [*gone.get(site, []), index]}
            found.append(gone)
    return found


def marginals(joint: np.ndarray, orders: Sequence[Walk], sizes: Mapping[str, int]) -> np.ndarray:
    """What each map's own step changes, `[example, order, map]` in nats; NaN for maps that an order does not reach.

    `joint` are the joint losses of `prefixes`, `[example, set]`. Maps are numbered over all sites.
    """
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1].tolist(), strict=True))
    found, done = np.full((len(joint), len(orders), sum(sizes.values())), np.nan), 0
    for place, order in enumerate(orders):
        steps = np.diff(joint[:, done : done + len(order)], axis=1, prepend=0.0)
        found[:, place, [starts[site] + index for site, index in order]] = steps
        done += len(order)
    return found


def values(steps: np.ndarray, reduce: Reduction = mean) -> np.ndarray:
    """The score of every map, `[map]`: `reduce` of its steps over examples, then the mean over orders; NaN if none reached it.

    Maps of which nothing is known sort behind all others, and stay.
    """
    return _mean(np.asarray(reduce(steps)), ~np.isnan(steps[0]))


def _mean(scores: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """The mean over orders of `[order, map]`, of those that reached a map; NaN if none did."""
    count = reached.sum(0)
    return np.divide(np.where(reached, scores, 0.0).sum(0), count, out=np.full(len(count), np.nan), where=count > 0)


def shapley_table(steps: np.ndarray, sizes: Mapping[str, int], seed: int) -> pd.DataFrame:
    """A row per map: its value with a 95 % interval, by bootstrap over orders and examples alike.

    Returns:
        Columns `site, map, shapley, low, high` (nats) and `orders`, how many of them reached the map.
    """
    reached = ~np.isnan(steps[0])
    over_examples = np.einsum("re,eom->rom", draws(len(steps), seed), np.nan_to_num(steps))
    orders = np.random.default_rng([seed, 12]).multinomial(len(reached), np.full(len(reached), 1 / len(reached)), RESAMPLES)
    weight = np.einsum("ro,om->rm", orders, reached)
    drawn = np.divide(
        np.einsum("ro,rom->rm", orders, over_examples), weight, out=np.full(weight.shape, np.nan), where=weight > 0
    )
    low, high = np.full((2, weight.shape[1]), np.nan)
    known = reached.any(0)
    low[known], high[known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
    table = pd.DataFrame([(site, index) for site, maps in sizes.items() for index in range(maps)], columns=["site", "map"])
    return table.assign(shapley=values(steps), low=low, high=high, orders=reached.sum(0))
