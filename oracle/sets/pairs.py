"""Draws the pairs of maps whose interaction is measured: with known probabilities, and the likely large ones for sure.

One backward pass predicts how removing each map moves every example's log-odds, as for the estimated oracle; moving them by two
maps at once, and by each alone, predicts the pair's interaction. Pairs are drawn in proportion to the magnitude of that, which
is bounded from below, so that none is hopeless; half of them within sites, half across.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.estimated.draw import probabilities, systematic
from pruning_oracle.oracle.estimated.predict import first_order_moves

FLOOR = 0.5  # share of the mean size over the pairs of a kind that is added to each: for what the prediction does not see


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs of maps, numbered over all sites, the first before the second, and the probability that each had."""

    first: np.ndarray
    second: np.ndarray
    probability: np.ndarray


def predicted_interactions(case: Case, rows: Sequence[int], size: int) -> np.ndarray:
    """The interaction of every two maps, `[map, map]` in nats, by how each moves the odds (or the loss); see above.

    It is a mean over the examples at `rows`, of magnitudes: what cancels over examples may be large in a set all the same.
    """
    maps = sum(site.maps for site in case.sites)
    total = np.zeros((maps, maps))
    for start in range(0, len(rows), size):
        block = list(rows[start : start + size])
        found = first_order_moves(case, next(case.batches(case.train, block, len(block))), block)
        none = np.zeros((len(block), 1))
        moves = np.concatenate([found.get(f"moves/{site.name}", np.repeat(none, site.maps, 1)) for site in case.sites], 1)
        for odds, move in zip(np.nan_to_num(found["odds"]), moves, strict=True):
            alone = np.logaddexp(0.0, odds + move)
            both = np.logaddexp(0.0, odds + move[:, None] + move[None, :])
            total += np.abs(both - alone[:, None] - alone[None, :] + np.logaddexp(0.0, odds))
    return total / len(rows)


def draw_pairs(sites: np.ndarray, predicted: np.ndarray, count: int, seed: int) -> DrawnPairs:
    """Draws about `count` pairs; `sites` is the site of every map, `predicted` the interactions that are likely.

    Within sites and across them, as many; all pairs of a kind that has fewer. A pair that would empty its site is never drawn.
    BadInput if there is no pair.
    """
    random, sizes = np.random.default_rng([seed, 17]), np.bincount(sites)
    first, second = np.triu_indices(len(sites), 1)
    same = sites[first] == sites[second]
    possible = (sizes[sites[first]] > 1 + same) & (sizes[sites[second]] > 1 + same)
    if not possible.any():
        raise BadInput("no two maps can be removed together: every site must keep one")
    kinds = [(possible & same).nonzero()[0], (possible & ~same).nonzero()[0]]
    within = min(max(count // 2, count - len(kinds[1])), len(kinds[0]))
    places, chances = [], []
    for kind, wanted in zip(kinds, (within, min(count - within, len(kinds[1]))), strict=True):
        if wanted:
            size = np.abs(predicted[first[kind], second[kind]])
            size = size + FLOOR * size.mean() + np.finfo(float).tiny
            chance = probabilities(size[:, None], np.array([wanted]))
            drawn = systematic(chance, random)[:, 0]
            places.append(kind[drawn])
            chances.append(chance[drawn, 0])
    place, chance = np.concatenate(places), np.concatenate(chances)
    order = np.argsort(place)
    return DrawnPairs(first[place[order]], second[place[order]], chance[order])
