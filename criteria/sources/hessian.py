"""The diagonal of the Hessian of every example's loss by the gates, by Hessian-vector products.

A product with a unit vector is exact for its gate; a small network takes one per gate. Other networks take products with
random vectors v of ±1: the expectation of v ⊙ Hv is the diagonal (Bekas, Kokiopoulou, Saad 2007), and what is off the diagonal
adds noise. Every example draws vectors of its own, so that a mean over examples averages the noise as well.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, open_gates, slopeless
from pruning_oracle.criteria.evidence.source import source

PROBES = 2  # random vectors per example
EXACT = 32  # the most maps, at all sites together, of a network that is small


@source(unfit=slopeless, most=128, holds=6.0)
def gate_hessian(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Second derivative of every example's loss by the gate, in nats: exact up to 32 maps, else estimated.

    128 examples at most.
    """
    return by_batch(case, rows, size, "Hessian", lambda block, batch: diagonal(case, block, batch))


def diagonal(case: Case, block: Sequence[int], batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's diagonals, site by site."""
    gates = open_gates(case, batch.examples)
    values = list(gates.values())
    found = [torch.zeros_like(gate) for gate in values]
    with differentiable(case.model), gated(case.model, gates):
        loss = case.losses(batch).sum()
        slopes = torch.autograd.grad(loss, values, create_graph=True, allow_unused=True, materialize_grads=True)
        bent = [place for place, slope in enumerate(slopes) if slope.requires_grad]  # the loss is linear in the others
        for probe in _probes(case, block, values) if bent else ():
            given = [slopes[place] for place in bent], values, [probe[place] for place in bent]
            products = torch.autograd.grad(*given, retain_graph=True, allow_unused=True, materialize_grads=True)
            for total, vector, product in zip(found, probe, products, strict=True):
                total.add_(vector * product)
    maps = sum(site.maps for site in case.sites)
    return found if maps <= EXACT else [total / PROBES for total in found]


def _probes(case: Case, block: Sequence[int], gates: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The vectors to multiply by, `[example, map]` per site; random ones depend on the example and not on its batch."""
    maps = [site.maps for site in case.sites]
    if sum(maps) <= EXACT:
        for unit in torch.eye(sum(maps)).to(gates[0]):
            yield [part.expand(len(block), -1) for part in unit.split(maps)]
        return
    for probe in range(PROBES):
        signs = []
        for row in block:
            generator = torch.Generator().manual_seed((case.seed * 1_000_003 + row) * PROBES + probe)
            signs.append(torch.randint(0, 2, (sum(maps),), generator=generator) * 2 - 1)
        yield list(torch.stack(signs).to(gates[0]).split(maps, 1))
