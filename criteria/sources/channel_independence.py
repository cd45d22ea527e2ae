"""Channel independence: by how much the nuclear norm of the maps of one example falls when one of them is zero."""

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


@source(most=16)
def channel_independence(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Fall of the nuclear norm of a site's maps without the map, averaged over gates and clips; 16 examples at most."""
    return by_batch(case, rows, size, "independence", lambda block, batch: independences(case, batch))


def independences(case: Case, batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's falls of the nuclear norm, site by site."""
    falls: dict[str, list[Tensor]] = {site.name: [] for site in case.sites}
    with ExitStack() as stack, torch.no_grad():
        for site in case.sites:
            for name in site.gates:
                watch = _watch(falls[site.name], batch.examples, site.maps)
                stack.callback(case.model.get_submodule(name).register_forward_hook(watch).remove)
        case.model(batch.inputs)
    dtype = exact_enough(next(case.model.parameters()).dtype)
    return [torch.cat(falls[site.name], 1).mean(1).to(case.device, dtype) for site in case.sites]


def _watch(falls: list[Tensor], examples: int, count: int) -> Callable[[Gate, tuple[Tensor, ...], Tensor], None]:
    """A hook that adds the falls of what passes a gate, `[example, clip, map]`."""

    def watch(gate: Gate, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        channels, owners = channels_with_maps(gate.maps, torch.device("cpu"))
        rows = output.movedim(gate.axis, 1).reshape(len(output), output.shape[gate.axis], -1).cpu()[:, channels]
        falls.append(nuclear_falls(rows.double(), owners, count).unflatten(0, (examples, -1)))

    return watch


def nuclear_falls(matrices: Float[Tensor, "row channel position"], owners: Tensor, count: int) -> Float[Tensor, "row map"]:
    """For each of `count` maps, the nuclear norm less that without the channels that the map owns."""
    if matrices.shape[2] > matrices.shape[1]:  # as many columns as rows give the same singular values, and take less time
        matrices = torch.linalg.qr(matrices.mT, mode="r").R.mT
    whole = torch.linalg.svdvals(matrices).sum(1)
    without = [torch.linalg.svdvals(matrices.masked_fill((owners == index)[:, None], 0)).sum(1) for index in range(count)]
    return whole[:, None] - torch.stack(without, 1)
