"""Which pairs a round measures: as many of every map at first, then more where the ranking is still open."""

import numpy as np

from pruning_oracle.oracle.estimated.draw import counts, open_ranks
from pruning_oracle.oracle.estimated.estimate import estimates, ratios
from pruning_oracle.oracle.estimated.site_sample import SiteSample


def choose_pairs(samples: list[SiteSample], pairs: float, seed: int, step: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws about `pairs` pairs for a round: for every site which pairs, and the probability of each, both `[example, map]`."""
    random = np.random.default_rng([seed, 7, step])
    room = [(~sample.known).sum(0) for sample in samples]
    wanted = [_wanted(sample) if step else np.ones(len(left)) for sample, left in zip(samples, room, strict=True)]
    every = counts(pairs, np.concatenate(wanted), np.concatenate(room), random)
    ends = np.cumsum([len(left) for left in room])[:-1]
    return [sample.choose(count, random) for sample, count in zip(samples, np.split(every, ends), strict=True)]


def _wanted(sample: SiteSample) -> np.ndarray:
    """Weights `[map]` for sharing out pairs: how much measuring more pairs of a map would help the ranking of its site."""
    found = estimates(sample)
    return open_ranks(found.shrunk, found.shrunk_error) * sample.unknown.sum(0) * np.sqrt(ratios(sample).variance)
