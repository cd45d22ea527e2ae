"""The definition of joint losses: one full forward pass per set. Slow; kept as the reference for every other engine."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled, gated


@torch.no_grad()
def literal(case: Case, sets: Sequence[MapSet], batch: Batch) -> Float[Tensor, "example set"]:
    """Loss with a set's maps removed minus loss with every map kept, in nats: positive where the maps are useful together.

    The case's fill stands in the place of every map.
    """
    kept = case.loss(case.model(batch.inputs), batch.labels)
    joint, fills = kept.new_zeros(len(kept), len(sets)), fills_for(case, batch)
    for place, one in enumerate(sets):
        values = {site: kept.new_ones(len(kept), site.maps) for site in one.by_site(case)}
        for site, maps in one.by_site(case).items():
            values[site][:, list(maps)] = 0
        with filled(case.model, fills), gated(case.model, values):
            joint[:, place] = case.loss(case.model(batch.inputs), batch.labels) - kept
    return joint
