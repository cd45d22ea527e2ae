"""Removals that are replayed alike: each pair's is one map of a site, or a set of maps whose first lie at the same site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.device import PRECISIONS


@dataclass(frozen=True, eq=False)
class Removals:
    """Some removals, each the maps that it removes by site; a (example, removal) pair names one by its place.

    `site` is where replays of them begin. Unless they are `alone` there, they remove maps at gates behind its first one, too.
    """

    case: Case
    site: Site
    alone: bool
    sets: Sequence[Mapping[Site, Sequence[int]]]

    @property
    def name(self) -> str:
        """What plans and choices call what is replayed alike."""
        return self.site.name if self.alone else f"{self.site.name} and behind"

    @property
    def held(self) -> int:
        """How many bytes the values of one pair's gates hold."""
        return sum(site.maps for site in self._keep) * torch.finfo(PRECISIONS[self.case.precision]).bits // 8

    @cached_property
    def maps(self) -> list[list[int]]:
        """The maps of `site` that each removes."""
        return [list(one.get(self.site, ())) for one in self.sets]

    def gates(self, removals: Int[Tensor, " pair"]) -> dict[Site, Float[Tensor, "pair _"]]:
        """The values of the gates of every site for these pairs: 0 for a map that the pair removes, 1 for the others."""
        return {site: keep[removals] for site, keep in self._keep.items()}

    @cached_property
    def _keep(self) -> dict[Site, Float[Tensor, "removal _"]]:
        keep = {}
        for site in dict.fromkeys(site for one in self.sets for site in one):
            values = torch.ones(len(self.sets), site.maps, dtype=PRECISIONS[self.case.precision])
            pairs = [(removal, index) for removal, one in enumerate(self.sets) for index in one.get(site, ())]
            values[tuple(torch.tensor(pairs).T)] = 0
            keep[site] = values.to(self.case.device)
        return keep


def one_map_each(case: Case, site: Site) -> Removals:
    """The removals of a site's maps, one by one: each map is the removal of the same place."""
    return Removals(case, site, True, [{site: [index]} for index in range(site.maps)])
