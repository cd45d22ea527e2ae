"""The fast exact engine for joint losses: many sets side by side, each recomputing only what lies behind its first map.

Sets are sorted by the site, in the network's order, at which the first of their maps is not what stands in for it. In front
of that site nothing changes, so that the kept values of the batch are used, by the machinery that measures single maps
(`oracle/exact/`). A set whose maps are all so changes nothing and needs no computation.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.removals import Removals
from pruning_oracle.oracle.exact.replay import FOLD, Replay

Maps = dict[Site, tuple[int, ...]]  # of a set


class ReplaySets:
    """The engine for one case: call it with sets and a batch. `held`, `choices` and `fold` are those of `Replay`."""

    def __init__(self, case: Case, held: int = memory.DEFAULT, choices: Choices | None = None, fold: int = FOLD) -> None:
        self.case, self.engine = case, Replay(case, held, choices, fold)
        self.spent = self.engine.spent

    @torch.no_grad()
    def __call__(self, sets: Sequence[MapSet], batch: Batch) -> Float[Tensor, "example set"]:
        """Loss with a set's maps removed minus loss with every map kept, in nats; equals `literal` up to rounding.

        Equal sets are measured once.
        """
        distinct = {one: place for place, one in enumerate(dict.fromkeys(sets))}
        joint = self._measured([one.by_site(self.case) for one in distinct], batch)
        return joint[:, [distinct[one] for one in sets]]

    def _measured(self, sets: list[Maps], batch: Batch) -> Float[Tensor, "example set"]:
        """The joint losses of sets that differ."""
        kept = self.engine.losses(batch)
        joint = kept.new_zeros(batch.examples, len(sets))
        waiting = torch.ones(joint.shape, dtype=torch.bool, device=joint.device)  # pairs of which no map was alive so far
        for site in self.engine.network.order():
            here = [place for place, one in enumerate(sets) if site in one]
            if not here or not bool(waiting[:, here].any()):
                continue
            begins = waiting[:, here] & self._alive(site, [sets[place] for place in here], batch)
            waiting[:, here] &= ~begins
            for alone in (True, False):
                alike = [column for column, place in enumerate(here) if (len(sets[place]) == 1) == alone]
                which, examples = begins[:, alike].T.nonzero(as_tuple=True)
                if len(which):
                    places = torch.tensor([here[column] for column in alike], device=joint.device)
                    removals = Removals(self.case, site, alone, [sets[place] for place in places.tolist()])
                    joint[examples, places[which]] = self.engine.changes(removals, batch, examples, which)
        return joint

    def _alive(self, site: Site, sets: list[Maps], batch: Batch) -> Bool[Tensor, "example set"]:
        """Whether any map that a set removes at a site is not what stands in for it all over the example."""
        alive = self.engine.alive(site, batch)
        return torch.stack([alive[:, list(one[site])].any(1) for one in sets], 1)
