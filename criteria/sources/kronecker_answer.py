"""A convolution's loss of each filter to second order, after the others have answered, by a Kronecker-factored Fisher matrix.

The matrix is A ⊗ S, with A = E[Σ_p x xᵀ] of the inputs that a filter sees, its bias included as a 1, and S the mean over
examples and positions of the gradients' products by the outputs. The best answer to losing the filter w_k leaves
½ w_kᵀ A w_k / [S⁻¹]_kk, and w_kᵀ A w_k is the mean of Σ_p o_k², so that A itself is never needed. Filters of different groups
read different inputs and cannot answer for each other.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.network.gates import channels_with_maps
from pruning_oracle.criteria.evidence.filters import convolutions
from pruning_oracle.criteria.evidence.passes import slopeless, stream
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.evidence.taps import tapped

DAMPING = 1e-3  # of the mean of S's diagonal


class Factors:
    """Sums over examples and positions, of one convolution: squared outputs, and products of the slopes by its outputs."""

    def __init__(self, groups: int) -> None:
        self.groups, self.positions = groups, 0
        self.energy = self.products = torch.zeros(())

    def add(
        self, outputs: Float[Tensor, "example channel position"], slopes: Float[Tensor, "example channel position"]
    ) -> None:
        """Adds one call of the convolution."""
        self.energy = self.energy + outputs.square().sum((0, 2)).double()
        grouped = slopes.movedim(1, 0).flatten(1).unflatten(0, (self.groups, -1))
        self.products = self.products + (grouped @ grouped.mT).double()
        self.positions += grouped.shape[2]

    def answered(self, examples: int) -> Float[Tensor, " channel"]:
        """What each filter costs once the others have answered, in nats."""
        slopes = self.products / self.positions
        diagonal = slopes.diagonal(dim1=1, dim2=2)
        damping = DAMPING * diagonal.mean()
        if not damping:  # the loss does not depend on this layer
            return torch.zeros_like(self.energy)
        damped = slopes + damping * torch.eye(slopes.shape[1], dtype=slopes.dtype, device=slopes.device)
        unexplained = 1 / torch.linalg.inv(damped).diagonal(dim1=1, dim2=2)
        return self.energy / examples * unexplained.flatten() / 2


@source(unfit=slopeless, holds=8.0, of_zeros=True)
def kronecker_answer(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "one map"]]:
    """Second-order loss of a map's filters once the other filters of their layers have answered, in nats."""
    factors = {name: Factors(int(getattr(module, "groups"))) for name, module in convolutions(case).items()}  # noqa: B009 (typed as a module)
    for _, batch in stream(case, rows, size, "factors"):
        for tap, outputs, slopes in tapped(case, batch, (), factors):
            factors[tap.layer].add(outputs, slopes)
    found = {}
    for site in case.sites:
        total = torch.zeros(site.maps, dtype=torch.float64)
        for name, owners in zip(site.convolutions, site.channels, strict=True):
            channels, maps = channels_with_maps(owners, torch.device("cpu"))
            total.index_add_(0, maps, factors[name].answered(len(rows)).cpu()[channels])
        found[site.name] = total[None]
    return found
