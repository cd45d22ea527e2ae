"""Sets by a second-order model: single changes and interactions of pairs, summed; maps join the set that it makes cheapest."""

from collections.abc import Sequence

import numpy as np


def cheapest(
    single: np.ndarray, interaction: np.ndarray, sites: np.ndarray, counts: Sequence[int], within: bool
) -> list[tuple[int, int]]:
    """The maps in the order in which they join: each time the one that adds least, by its own change and its pairs.

    Args:
        single: the change in loss of every map alone, `[map]` over all sites.
        interaction: of every two maps, `[map, map]`, symmetric; the diagonal does not count.
        sites: the site of every map, `[map]`.
        counts: how many maps go of each site, or, if not `within`, of all together (one number).
        within: whether counts are those of sites.

    Returns:
        Site and map of each, numbered within the site. A site's last map stays.
    """
    added, left = single.astype(float).copy(), np.bincount(sites)
    pairs = interaction - np.diag(np.diag(interaction))
    wanted = list(counts) if within else [sum(counts)]
    starts, found = np.cumsum([0, *left])[:-1], list[tuple[int, int]]()
    free = np.ones(len(single), bool)
    while True:
        open_ = free & (left[sites] > 1) & (np.array(wanted)[sites if within else np.zeros_like(sites)] > 0)
        if not open_.any():
            return found
        best = int(np.where(open_, added, np.inf).argmin())
        site = int(sites[best])
        found.append((site, best - int(starts[site])))
        free[best], left[site] = False, left[site] - 1
        wanted[site if within else 0] -= 1
        added += pairs[:, best]
