"""The weights by which the next layers read each map."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench import consumers as layers
from bench.case import Case
from criteria.filters import TRANSPOSED
from criteria.source import source


def unfit(case: Case) -> str:
    """Which site no layer reads map by map."""
    found = layers.consumers(case)
    lost = [site.name for site in case.sites if not found[site.name]]
    return f"no layer reads the maps of {lost[0]} one by one" if lost else ""


@source(unfit=unfit)
def consumers(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "map weight"]]:
    """All weights that a map is multiplied by in the layers behind it, recurrent ones by their input weights."""
    return {site: _side_by_side(case, found) for site, found in layers.consumers(case).items()}


def _side_by_side(case: Case, found: Sequence[tuple[str, Sequence[Sequence[int]]]]) -> Tensor:
    rows: list[list[Tensor]] = [[] for _ in found[0][1]]
    for name, channels in found:
        module = case.model.get_submodule(name)
        for row, own in zip(rows, channels, strict=True):
            row += [read.flatten().cpu() for channel in own for read in _readers(module, channel)]
    return nn.utils.rnn.pad_sequence([torch.cat(row) for row in rows], batch_first=True)


def _readers(module: nn.Module, channel: int) -> list[Tensor]:
    """Every weight of a layer that multiplies one of its input channels (features)."""
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        return [value.detach()[:, channel] for name, value in module.named_parameters() if _reads_input(name)]
    weight = module.get_parameter("weight").detach()
    if isinstance(module, TRANSPOSED):
        return [weight[channel]]
    groups = int(getattr(module, "groups", 1))
    group, own = divmod(channel, weight.shape[1])
    return [weight.unflatten(0, (groups, -1))[group, :, own]]


def _reads_input(name: str) -> bool:
    """Whether it is the first layer's matrix of a recurrent layer, in either direction."""
    return name in {"weight_ih", "weight_ih_l0", "weight_ih_l0_reverse"}
