"""Chooses the pairs to measure: how many of each map, and which, drawn without replacement with known probabilities."""

import numpy as np

SURE = 1 - 1e-9  # a probability from here on counts as 1: the difference is rounding
EVEN = 0.3  # share of the pairs that goes to all maps alike; the others go where the ranking is undecided


def probabilities(size: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The probability of drawing each pair, `[example, map]`: proportional to its `size`, and at most 1.

    The probabilities of a map add up to its `count`, or to its number of pairs with a size above 0 if that is less.
    """
    count = np.minimum(count, (size > 0).sum(0))
    certain = np.zeros(size.shape, bool)
    while True:
        total = np.where(certain, 0.0, size).sum(0)
        share = np.divide(count - certain.sum(0), total, out=np.zeros(len(count)), where=total > 0)
        found = np.where(certain, 1.0, np.clip(size * share, 0.0, 1.0))
        more = (found >= SURE) & ~certain & (size > 0)
        if not more.any():
            return found
        certain |= more


def systematic(chance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draws pairs, `[example, map]`, with these probabilities: systematic sampling (Madow 1949) in random order.

    As many pairs of a map are drawn as its probabilities add up to, rounded up or down at random.
    """
    order = random.random(chance.shape).argsort(0)
    ends = np.take_along_axis(chance, order, 0).cumsum(0)
    starts = np.concatenate([np.zeros((1, chance.shape[1])), ends[:-1]])
    ticks = random.random(chance.shape[1])
    hits = np.floor(ends - ticks + 1e-9) != np.floor(starts - ticks + 1e-9)
    drawn = np.empty_like(hits)
    np.put_along_axis(drawn, order, hits, 0)
    return drawn | (chance >= SURE)


def counts(pairs: float, wanted: np.ndarray, room: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How many pairs to measure of each map, `[map]`: `pairs` in all, shared in proportion to `wanted`, at most `room`.

    The share `EVEN` of the pairs goes to all maps alike. Numbers from 1 on are rounded at random, so that they are right on
    average; a number below 1 is the probability of measuring a single pair of that map.
    """
    given = np.zeros(len(room))
    for _ in range(len(room)):
        free = given < room
        left = pairs - given.sum()
        if left <= 1e-9 * pairs or not free.any():
            break
        even = free / free.sum()
        open_ = np.where(free, wanted, 0.0)
        share = open_ / open_.sum() if open_.sum() > 0 else even
        given = np.minimum(room, given + left * (EVEN * even + (1 - EVEN) * share))
    return np.where(given < 1, given, np.minimum(room, np.floor(given + random.random(len(room)))))


def open_ranks(estimate: np.ndarray, error: np.ndarray) -> np.ndarray:
    """How many ranks each map of a site moves per nat of its magnitude, `[map]`, up to a constant: how close the others are.

    Distances are blurred by the errors of the estimates. A Spearman of n maps loses 6 Σ(rank error)²/n³; the result is
    divided by √n³, so that one site's maps count as much as another's.
    """
    magnitude = np.abs(estimate)
    width = np.sqrt(error[:, None] ** 2 + error[None, :] ** 2) + 1e-12
    near = np.exp(-0.5 * ((magnitude[:, None] - magnitude[None, :]) / width) ** 2) / width
    np.fill_diagonal(near, 0.0)
    return near.sum(1) / len(estimate) ** 1.5
