"""The weights with which the next layers read each map."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.network.flops import RECURRENT, input_matrices
from pruning_oracle.bench.network.layer_kinds import TRANSPOSED
from pruning_oracle.criteria.evidence.source import source


def unfit(case: Case) -> str:
    """Names a site whose maps no layer reads one by one; empty if there is none."""
    found = consumers(case)
    lost = [site.name for site in case.sites if not found[site.name]]
    return f"no layer reads the maps of {lost[0]} one by one" if lost else ""


@source(unfit=unfit, copies=2)
def consumer_weights(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "map weight"]]:
    """All weights that multiply a map in the layers behind it (of recurrent layers the input weights), padded with zeros."""
    return {site: _side_by_side(case, found) for site, found in consumers(case).items()}


def _side_by_side(case: Case, found: Sequence[tuple[str, Sequence[Sequence[int]]]]) -> Tensor:
    rows: list[list[Tensor]] = [[] for _ in found[0][1]]
    for name, channels in found:
        read = at_least_float32(by_channel(case.model.get_submodule(name))).cpu()
        for row, own in zip(rows, channels, strict=True):
            row.append(read[list(own)].flatten())
    return nn.utils.rnn.pad_sequence([torch.cat(row) for row in rows], batch_first=True)


def by_channel(module: nn.Module) -> Float[Tensor, "channel weight"]:
    """For each input channel (feature) of a layer, all weights that multiply it."""
    if isinstance(module, RECURRENT):
        return torch.cat([matrix.detach().T for matrix in input_matrices(module).values()], 1)
    weight = module.get_parameter("weight").detach()
    if isinstance(module, TRANSPOSED):
        return weight.flatten(1)
    groups = weight.unflatten(0, (int(getattr(module, "groups", 1)), -1))  # group, output, own channel, …
    return groups.transpose(1, 2).flatten(0, 1).flatten(1)
