"""Gradients integrated over gates as they close: how the loss changes along the whole path, not only at its start.

The integral of the slope along a straight path is the whole change of the loss (integrated gradients, Sundararajan et al.
2017, arXiv:1703.01365, on gates). If one map's gate closed alone, the integral would be the effect of removing that map, and
each map would take passes of its own. Here all gates close together, so that a map's part of the integral is its share of the
common change.
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
        return list(integrate(case, batch, open_gates(case, batch.examples), STEPS).values())

    return by_batch(case, rows, size, "path", of)


def integrate(
    case: Case, batch: Batch, direction: Mapping[Site, Float[Tensor, "example map"]], steps: int
) -> dict[Site, Float[Tensor, "example map"]]:
    """Each map's part of the change in loss, in nats, as gates go from 1 to 1 − `direction`, by the midpoints of `steps` steps.

    The finer the steps, the closer the sum of the parts is to the change at the end of the path.
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
