"""Compares the gates that a network carries with deletion: its own author chose where they stand."""

from contextlib import suppress

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.network.consumers import Channels, consumers
from pruning_oracle.bench.network.deletion_check import close, input_weights, zeroed
from pruning_oracle.bench.network.gates import gated


def doubtful_sites(case: Case, inputs: Tensor) -> list[str]:
    """The sites at which a gate at 0 gives other outputs than weights of 0 in the layers that read the map.

    The first and the last map of each site are tried, on `inputs`. Layers that `consumers` does not see are not known, so that
    nothing is said of a site that none is seen to read; and nothing at all of a network that its passes with NaNs do not suit.
    """
    with suppress(Exception):  # whatever a network raises on NaNs
        feeds = consumers(case)
        return [site.name for site in case.sites if feeds[site.name] and not _deletes(case, site, feeds[site.name], inputs)]
    return []


@torch.no_grad()
def _deletes(case: Case, site: Site, readers: list[tuple[str, Channels]], inputs: Tensor) -> bool:
    for index in {0, site.maps - 1}:
        value = torch.ones(len(inputs), site.maps)
        value[:, index] = 0
        with gated(case.model, {site: value}):
            removed = tree.tree_leaves(case.model(inputs.clone()))
        layers = [(case.model.get_submodule(name), channels[index]) for name, channels in readers]
        with zeroed([weights for layer, channels in layers for weights in input_weights(layer, channels)]):
            deleted = tree.tree_leaves(case.model(inputs.clone()))
        if not all(close(*pair) for pair in zip(removed, deleted, strict=True) if isinstance(pair[0], Tensor)):
            return False
    return True
