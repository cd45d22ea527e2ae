"""Greedy sets: maps go a few at a time, and after each removal the oracle is measured anew on the network that is left.

Maps are deleted physically, so that the single-map oracle of what is left is the change that one more map makes, exactly, and
costs less the more maps have gone.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pruning_oracle.bench.cutting.needed import by_site, may_go
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.cutting.wiring import Owner
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.scores import Reduction
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.resume import Units

log = logging.getLogger("oracle")


@dataclass(frozen=True)
class Greedy:
    """One way to be greedy: which maps go next, and how many at a time.

    `within` each site as large a share goes, else over all sites; the maps with the lowest score go, which `reduce` makes of
    the changes in loss of the network that is left. `levels` are the shares of the maps that are gone after each step: over
    all sites, of the `maps` of the whole network, though some may be such as cannot be deleted.
    """

    name: str
    within: bool
    reduce: Reduction = field(repr=False)
    levels: tuple[float, ...]
    maps: int

    def counts(self, sizes: Sequence[int], level: float) -> list[int]:
        """How many maps have gone at a level: one number per site of these sizes, or for all sites together one number."""
        if not self.within:
            return [min(round(level * self.maps), sum(sizes) - 1)]
        return [min(round(level * size), size - 1) for size in sizes]


def greedy_sets(
    start: Pruned, way: Greedy, rows: Sequence[int], size: int, held: int, units: Units | None = None
) -> list[MapSet]:
    """The maps that have gone at each level of `way`, with the oracle measured on these rows, `size` examples at a time.

    `start` is what `prepared` makes of a case; maps that cannot be deleted stay, and so does one of every needed set. Steps
    stored in `units` are not measured again. `held` is the memory that the engine may hold, in bytes.
    """
    pruned, found = start, list[MapSet]()
    for step, level in enumerate(way.levels):
        name = f"{way.name}-{step}"
        unit = units.get(name) if units else None
        if unit is None:
            gone = _next(start, pruned, way, level, rows, size, held)
            if units:
                pairs = [(pruned.case.sites.index(pruned.case.site(site)), index) for site in gone for index in gone[site]]
                units.put(name, {"gone": np.array(pairs, dtype=np.int64).reshape(-1, 2)})
        else:
            gone = by_site((pruned.case.sites[place].name, index) for place, index in unit["gone"].tolist())
        if gone:
            pruned = cut(pruned, gone)
        found.append(_gone(start, pruned))
        log.info("%s seed %d %s: %d maps gone", start.case.name, start.case.seed, way.name, len(found[-1]))
    return found


def _next(
    start: Pruned, pruned: Pruned, way: Greedy, level: float, rows: Sequence[int], size: int, held: int
) -> dict[str, list[int]]:
    """The maps of the network that is left that go next, by site and present number."""
    case, counts = pruned.case, way.counts([site.maps for site in start.case.sites], level)
    gone = [whole.maps - site.maps for whole, site in zip(start.case.sites, case.sites, strict=True)]
    wanted = [most - own for most, own in zip(counts, gone if way.within else [sum(gone)], strict=True)]
    if not any(count > 0 for count in wanted):
        return {}
    changes = measure(case, Replay(case, held), rows, size).changes
    scores = {site.name: np.asarray(way.reduce(changes[site.name].double())) for site in case.sites}
    return by_site(_lowest(pruned, scores, wanted, way.within))


def _lowest(pruned: Pruned, scores: Mapping[str, np.ndarray], wanted: Sequence[int], within: bool) -> Iterator[Owner]:
    """The maps of lowest scores that may go: so many of each site, or of all; of equal ones the first."""
    left = dict(zip(scores if within else [""], wanted, strict=True))
    order = sorted((float(score), place, index) for place, own in enumerate(scores.values()) for index, score in enumerate(own))
    owners = [(list(scores)[place], index) for _, place, index in order]
    for owner in may_go(pruned.needed, (owner for owner in owners if left[owner[0] if within else ""] > 0)):
        left[owner[0] if within else ""] -= 1
        yield owner


def _gone(start: Pruned, pruned: Pruned) -> MapSet:
    """The maps that are missing, by the numbers that they had at first."""
    return MapSet.of({site.name: sorted(set(range(site.maps)) - set(pruned.maps[site.name])) for site in start.case.sites})
