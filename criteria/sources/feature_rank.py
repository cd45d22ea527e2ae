"""The rank of feature maps as matrices: how many patterns a map is made of."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.device import exact_enough
from pruning_oracle.bench.network.gates import Gate, channels_with_maps
from pruning_oracle.criteria.evidence.passes import by_batch
from pruning_oracle.criteria.evidence.source import source


@source(most=64)
def feature_rank(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Rank of a map as a matrix of height × width, averaged over its gates, clips and time steps; 64 examples at most."""
    return by_batch(case, rows, size, "rank", lambda block, batch: matrix_ranks(case, batch))


def matrix_ranks(case: Case, batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's ranks, site by site."""
    found, counts = {}, {}
    for site in case.sites:
        found[site] = torch.zeros(batch.examples, site.maps, device=case.device, dtype=torch.float64)
        counts[site] = torch.zeros(site.maps, device=case.device, dtype=torch.float64)
    with ExitStack() as stack, torch.no_grad():
        for site in case.sites:
            for name in site.gates:
                watch = _watch(found[site], counts[site])
                stack.callback(case.model.get_submodule(name).register_forward_hook(watch).remove)
        case.model(batch.inputs)
    dtype = exact_enough(next(case.model.parameters()).dtype)
    return [(found[site] / counts[site]).to(dtype) for site in case.sites]


def _watch(total: Tensor, count: Tensor) -> Callable[[Gate, tuple[Tensor, ...], Tensor], None]:
    """A hook that adds up, by map, the ranks of what passes a gate and how many ranks there are."""

    def watch(gate: Gate, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps = output.movedim(gate.axis, 1)
        while maps.ndim < 4:  # a row, or a number, is a matrix too
            maps = maps.unsqueeze(2)
        per = torch.linalg.matrix_rank(maps.float()).double()  # row, channel, time …
        per = per.reshape(len(total), -1, per.shape[1], per[0, 0].numel()).transpose(1, 2).flatten(2)
        channels, own = channels_with_maps(gate.maps, output.device)
        total.index_add_(1, own, per.sum(2)[:, channels])
        count.index_add_(0, own, count.new_full((len(own),), per.shape[2]))

    return watch
