"""A network that runs as a whole for every removal: what the fast engine is proved by, and its fallback."""

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated


class Untraced:
    """A case's network, which runs removals side by side and keeps no values."""

    batch: Batch  # the batch that pairs refer to

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def held(self) -> int:
        """How many bytes one (example, map) pair holds."""
        return memory.activations(self.case)

    def removed(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, map) pair with that map removed."""
        with gated(self.case.model, {site: one_removed(self.case, site, maps)}):
            return self.case.model(self.batch.inputs[examples])


def one_removed(case: Case, site: Site, maps: Int[Tensor, " pair"]) -> Tensor:
    """The values of a site's gates, `[pair, map]`: 0 for the pair's own map, 1 for the others."""
    value = torch.ones(len(maps), site.maps, device=maps.device, dtype=PRECISIONS[case.precision])
    value[torch.arange(len(maps)), maps] = 0
    return value
