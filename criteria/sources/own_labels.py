"""Slopes of the log-probabilities that the network itself predicts: for a label that it draws, and expected over all labels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.evaluation import are_class_scores
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, open_gates, slopeless
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.sources.gauss_newton import squared_slopes
from pruning_oracle.criteria.sources.gauss_newton import unfit as too_many_outputs


def unfit(case: Case) -> str:
    """Why a case's outputs are no distribution over classes; empty if they are."""
    batch = next(case.batches(case.train, [0], 1))
    with torch.no_grad():
        output = case.model(batch.inputs)
    return (
        slopeless(case) if are_class_scores(output, batch.labels) else "its output is no score per class, or its label no class"
    )


def unfit_for_all(case: Case) -> str:
    """Why the expectation over all classes is unavailable; empty if it is available."""
    return unfit(case) or too_many_outputs(case)


@source(unfit=unfit)
def sampled_grad(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Slope by the gate of −log p of a label that the network draws for the example, in nats."""

    def of(block: Sequence[int], batch: Batch) -> list[Tensor]:
        gates = open_gates(case, batch.examples)
        with differentiable(case.model), gated(case.model, gates):
            logs = at_least_float32(case.model(batch.inputs)).log_softmax(1)
            drawn = draw(case.seed, block, logs.detach().exp()).to(logs.device)
            loss = -logs.gather(1, drawn[:, None]).sum()
            grads = torch.autograd.grad(loss, list(gates.values()), allow_unused=True, materialize_grads=True)
        return list(grads)

    return by_batch(case, rows, size, "own labels", of)


@source(unfit=unfit_for_all, most=128)
def output_fisher(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Fisher information of the outputs about the gate, exact over all labels, in nats; 128 examples at most."""

    def factors(output: Tensor) -> list[Tensor]:
        chances = output.double().softmax(1)
        roots = chances.sqrt()  # Σ p_y (e_y − p)(e_y − p)ᵀ is the Fisher matrix of the scores
        units = torch.eye(chances.shape[1], dtype=chances.dtype, device=chances.device)
        return [roots[:, index, None] * (unit - chances) for index, unit in enumerate(units)]

    return by_batch(case, rows, size, "own labels", lambda block, batch: squared_slopes(case, batch, factors))


def draw(seed: int, rows: Sequence[int], chances: Float[Tensor, "example class"]) -> Int[Tensor, " example"]:
    """A class for every example, drawn with these chances; it depends on the example's row and not on its batch."""
    points = []
    for row in rows:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + row)
        points.append(torch.rand(1, generator=generator, dtype=torch.float64))
    sums = chances.double().cpu().cumsum(1)
    return (sums <= torch.stack(points) * sums[:, -1:]).sum(1).clamp(max=chances.shape[1] - 1)
