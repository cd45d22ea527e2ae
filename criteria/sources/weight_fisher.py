"""The Fisher information of single weights: the square of each example's gradient, which needs a backward pass for each."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.criteria.evidence.filters import convolutions, filters
from pruning_oracle.criteria.evidence.passes import differentiable, slopeless, stream
from pruning_oracle.criteria.evidence.source import source


@source(unfit=slopeless, most=64, copies=4, of_zeros=True)
def weight_fisher(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "map weight"]]:
    """Mean over examples of the squared gradient by each weight of a map's filters, in nats²; 64 examples at most."""
    made = convolutions(case)
    weights = [module.get_parameter("weight") for module in made.values()]
    squares = [torch.zeros_like(at_least_float32(weight.detach())) for weight in weights]
    for _, batch in stream(case, rows, 1, "weights"):
        with differentiable(case.model, weights):
            grads = torch.autograd.grad(case.losses(batch).sum(), weights, allow_unused=True, materialize_grads=True)
        for total, grad in zip(squares, grads, strict=True):
            total.add_(at_least_float32(grad).square() / len(rows))
    of = dict(zip(made.values(), squares, strict=True))
    return {site.name: filters(case.model, site, of.__getitem__) for site in case.sites}
