"""NNI's criteria, re-derived from a description: as the project computes them, not corrected.

The project scores each convolution alone; here a coupled map counts all of its convolutions.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean
from pruning_oracle.criteria.evidence.filters import convolutions, filters
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, slopeless
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.peers.minibatches import rows_of_minibatches

PROJECT = "NNI, from a description of it"


@source(unfit=slopeless, copies=6, of_zeros=True)
def nni_squared_product(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "1 map"]]:
    """Σ (weight × gradient)² over a map's filters, with the gradient of a minibatch's mean loss, averaged over minibatches."""
    modules = list(convolutions(case).values())
    weights = [module.get_parameter("weight") for module in modules]
    totals = [torch.zeros_like(at_least_float32(weight)) for weight in weights]
    blocks = rows_of_minibatches(rows)
    for block in blocks:
        slopes = [torch.zeros_like(total) for total in totals]
        for batch in case.batches(case.train, block, size):
            with differentiable(case.model, weights):
                loss = case.losses(batch).sum() / len(block)
                found = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
            slopes = [slope + part for slope, part in zip(slopes, found, strict=True)]
        for total, weight, slope in zip(totals, weights, slopes, strict=True):
            total.add_((weight.detach() * slope).square())
    mean_square = {module: total / len(blocks) for module, total in zip(modules, totals, strict=True)}
    return {site.name: filters(case.model, site, mean_square.__getitem__).sum(1)[None] for site in case.sites}


@source()
def nni_rectified_mean(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Mean over positions of max(0, a convolution's output)."""
    return by_batch(case, rows, size, "NNI", lambda block, batch: rectified(case, batch, torch.relu))


@source()
def nni_positive_share(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Share of the positions at which a convolution's output is above zero."""
    return by_batch(case, rows, size, "NNI", lambda block, batch: rectified(case, batch, lambda output: output > 0))


def rectified(case: Case, batch: Batch, of: Callable[[Tensor], Tensor]) -> list[Float[Tensor, "example map"]]:
    """For each site the mean of `of(output)` over the positions, calls and convolutions of each map."""
    sums = {site: torch.zeros(batch.examples, site.maps, device=case.device) for site in case.sites}
    counts = {site: torch.zeros(site.maps, device=case.device) for site in case.sites}
    with ExitStack() as stack, torch.no_grad():
        for site in case.sites:
            for name, channels in zip(site.convolutions, site.channels, strict=True):
                watch = _watch(sums, counts, site, channels, of)
                stack.callback(case.model.get_submodule(name).register_forward_hook(watch).remove)
        case.model(batch.inputs)
    return [sums[site] / counts[site] for site in case.sites]


def _watch(
    sums: dict[Site, Tensor], counts: dict[Site, Tensor], site: Site, owners: Sequence[int], of: Callable[[Tensor], Tensor]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """A hook that adds up `of(output)` of one convolution; clips folded into the rows count as positions of their example."""

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        examples = len(sums[site])
        values = at_least_float32(of(output).to(output.dtype)).flatten(2)  # row, channel, position
        values = values.unflatten(0, (examples, -1)).transpose(1, 2).flatten(2)
        index = torch.tensor(list(owners), device=values.device)
        sums[site] = sums[site].to(values.dtype).index_add(1, index[index >= 0], values.sum(2)[:, index >= 0])
        per = counts[site].new_full((len(owners),), values.shape[2])
        counts[site] = counts[site].index_add(0, index[index >= 0], per[index >= 0])

    return watch


@criterion(
    needs={"nni_squared_product"},
    reduce=mean,
    unit="nats²",
    source=f"{PROJECT} (3.0): Taylor",
    order="it squares a minibatch's gradient",
)
def nni_taylor(site: Evidence) -> PerExample:
    r"""Σ (weight × gradient)² over the filters that make a map, averaged over minibatches of 32; biases left out.

    With one minibatch of all examples it is `taylor_weight_elementwise`. Departure: the weights do not change, while the
    project's optimiser changes them between minibatches.

    $$\Theta = \frac{1}{B}\sum_b \sum_j \left( w_j \frac{\partial C_b}{\partial w_j} \right)^2$$
    """
    return site.nni_squared_product


@criterion(needs={"nni_rectified_mean"}, reduce=mean, unit="activation", source=f"{PROJECT} (2.9): mean activation")
def nni_activation(site: Evidence) -> PerExample:
    r"""Mean of max(0, the convolution's output); what follows in the network, such as a batch norm, is ignored.

    Where the network itself has a ReLU there and nothing else, it is `activation_mean`.

    $$\Theta = \frac{1}{NP}\sum_{n,p} \max(0, z_{np})$$
    """
    return site.nni_rectified_mean


@criterion(needs={"nni_positive_share"}, reduce=mean, unit="share", source=f"{PROJECT} (2.9): APoZ")
def nni_apoz(site: Evidence) -> PerExample:
    r"""One minus the average percentage of zeros (APoZ) of max(0, the convolution's output).

    Where the network itself has a ReLU there and nothing else, it is `nonzero_share`.

    $$\Theta = \frac{1}{NP}\sum_{n,p} [z_{np} > 0]$$
    """
    return site.nni_positive_share
