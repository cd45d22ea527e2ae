"""The definition of the oracle: one full forward pass per removed map. Slow; kept as the reference for every other engine."""

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled, gated


@torch.no_grad()
def literal(case: Case, site: Site, batch: Batch) -> Float[Tensor, "example map"]:
    """Loss with the map removed minus loss with every map kept, in nats: positive where the map is useful.

    The case's fill stands in the map's place.
    """
    kept = case.loss(case.model(batch.inputs), batch.labels)
    changes = []
    with filled(case.model, fills_for(case, batch)):
        for index in range(site.maps):
            value = kept.new_ones(len(kept), site.maps)
            value[:, index] = 0
            with gated(case.model, {site: value}):
                changes.append(case.loss(case.model(batch.inputs), batch.labels) - kept)
    return torch.stack(changes, 1)
