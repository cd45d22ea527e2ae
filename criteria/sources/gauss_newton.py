"""The Gauss-Newton curvature of every example's loss along every gate: exact second derivatives of a piecewise linear network.

With J the derivative of the network's output by a gate and H the Hessian of the loss by that output, the curvature is JᵀHJ.
Removing one map moves one gate, and a network of convolutions, ReLU and pooling is piecewise linear in a gate, so only the
kinks are missing; the gates of a residual stream lie behind one another, and their products are missing too. H is split into
its eigenvectors, and each costs one backward pass for all gates at once.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.device import exact_enough
from pruning_oracle.bench.labels import moved
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, open_gates, slopeless
from pruning_oracle.criteria.evidence.source import source

MOST = 128  # the most outputs: each takes a backward pass


def unfit(case: Case) -> str:
    """Why the curvature of a case is unavailable; empty if it is available."""
    with torch.no_grad():
        output = case.model(next(case.batches(case.train, [0, 1], 2)).inputs)
    if isinstance(output, Tensor) and output.shape[:1] == (2,) and output[0].numel() <= MOST:
        return slopeless(case)
    shape = tuple(output[:1].shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    return f"it takes an output [example, at most {MOST} numbers], and the network gives {shape}"


@source(unfit=unfit)
def gate_curvature(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """The Gauss-Newton part of the second derivative of every example's loss by the gate, in nats."""
    return by_batch(case, rows, size, "curvature", lambda block, batch: curvatures(case, batch))


def curvatures(case: Case, batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's curvatures, site by site."""

    def factors(output: Tensor) -> list[Tensor]:
        flat = output.flatten(1) if output.ndim > 1 else output[:, None]
        return _directions(_hessian(case, flat, output.shape[1:], batch).to(exact_enough(output.dtype)))

    return squared_slopes(case, batch, factors)


def squared_slopes(
    case: Case, batch: Batch, factors: Callable[[Tensor], Sequence[Float[Tensor, "example number"]]]
) -> list[Float[Tensor, "example map"]]:
    """One batch's sums of the squared slopes of its outputs along several directions by each gate, site by site.

    `factors` gives the directions from the network's output, each with the numbers of an example's output in one axis.
    """
    gates = open_gates(case, batch.examples)
    found = [torch.zeros_like(gate) for gate in gates.values()]
    with differentiable(case.model), gated(case.model, gates):
        output = case.model(batch.inputs)
        for direction in factors(output.detach()):
            along = direction.to(output.dtype).reshape(output.shape)
            slopes = torch.autograd.grad(output, list(gates.values()), along, retain_graph=True, allow_unused=True)
            for total, slope in zip(found, slopes, strict=True):
                if slope is not None:
                    total.add_(slope.square())
    return found


def _hessian(case: Case, output: Tensor, shape: torch.Size, batch: Batch) -> Float[Tensor, "example output output2"]:
    """Second derivatives of every example's loss by the network's own output, `[example, number]`."""
    free = output.double().requires_grad_()
    labels = moved(batch.labels, case.device, torch.float32 if case.precision == "bfloat16" else torch.float64)
    with torch.enable_grad():
        shaped = free.view(-1, *shape)
        slope = torch.autograd.grad(case.loss(shaped, labels).sum(), free, create_graph=True)[0]
        if not slope.requires_grad:  # a loss that is linear in the output
            return output.new_zeros(*output.shape, output.shape[1])
        rows = [torch.autograd.grad(column.sum(), free, retain_graph=True)[0] for column in slope.unbind(1)]
    return torch.stack(rows, 1)


def _directions(hessian: Tensor) -> list[Float[Tensor, "example output"]]:
    """Eigenvectors times the square roots of their eigenvalues; negative ones, of a loss that is not convex, are left out."""
    values, vectors = torch.linalg.eigh(hessian.double())
    roots = values.clamp(min=0).sqrt()
    kept = [place for place in range(values.shape[1]) if bool((values[:, place] > 1e-12).any())]
    return [(roots[:, place, None] * vectors[:, :, place]).to(hessian.dtype) for place in kept]
