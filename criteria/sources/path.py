"""Gradients integrated along the gates as they close: what the loss does on the way, not only where it starts.

The integral of the slope along a straight path is the whole change of the loss (integrated gradients, Sundararajan et al.
2017, arXiv:1703.01365, on gates). Along the path on which one map's gate closes alone it is that map's removal, and a pass
per map; here all gates close together, so that a map's part of the integral is its share in the loss of everything.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, open_gates, slopeless
from pruning_oracle.criteria.evidence.source import source

STEPS = 4


@source(unfit=slopeless, most=128)
def gate_path(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Each map's part of the change in loss, in nats, as all gates go from 1 to 0 together in 4 steps; 128 examples at most."""

    def of(block: Sequence[int], batch: Batch) -> list[Tensor]:
        return list(integrate(case, batch, open_gates(case, len(batch.labels)), STEPS).values())

    return by_batch(case, rows, size, "path", of)


def integrate(
    case: Case, batch: Batch, direction: Mapping[Site, Float[Tensor, "example map"]], steps: int
) -> dict[Site, Float[Tensor, "example map"]]:
    """Parts of the change in loss as gates go from 1 to 1 − direction, by the midpoints of so many steps.

    They add up to the change at the path's end as the steps become finer.
    """
    found = {site: torch.zeros_like(end) for site, end in direction.items()}
    for step in range(steps):
        done = (step + 0.5) / steps
        gates = {site: (1 - done * end).detach().requires_grad_() for site, end in direction.items()}
        with differentiable(case.model), gated(case.model, gates):
            loss = case.losses(batch).sum()
            slopes = torch.autograd.grad(loss, list(gates.values()), allow_unused=True, materialize_grads=True)
        for (site, end), slope in zip(direction.items(), slopes, strict=True):
            found[site] -= slope * end.detach() / steps
    return found
