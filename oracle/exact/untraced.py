"""A network that runs as a whole for every removal: the fallback of the fast engine."""

from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated


class Untraced:
    """A case's network with the methods of `Traced`; it runs removals side by side, and keeps no values."""

    state: Batch  # the batch that pairs refer to

    def __init__(self, case: Case) -> None:
        self.case = case
        self.held = memory.activations(case)

    def keep(self, batch: Batch) -> Any:
        """The network's output for a batch; pairs refer to its examples from now on."""
        self.state = batch
        return self.case.model(batch.inputs)

    def alive(self, site: Site) -> Bool[Tensor, "example map"]:
        """True for every pair: no map is known to be zero all over an example."""
        return torch.ones(self.state.examples, site.maps, dtype=torch.bool, device=self.case.device)

    def prepare(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> None:
        """Does nothing: there is nothing to plan."""

    def pair_bytes(self, site: Site) -> int:
        """How many bytes one (example, map) pair holds."""
        return self.held

    def removed(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, map) pair with that map removed."""
        with gated(self.case.model, {site: one_removed(self.case, site, maps)}):
            return self.case.model(self.state.inputs[examples])


def one_removed(case: Case, site: Site, maps: Int[Tensor, " pair"]) -> Tensor:
    """The values of a site's gates, `[pair, map]`: 0 for the pair's own map, 1 for the others."""
    value = torch.ones(len(maps), site.maps, device=maps.device, dtype=next(case.model.parameters()).dtype)
    value[torch.arange(len(maps)), maps] = 0
    return value
