"""The filters that make a site's maps, one row per map: weights, or other numbers in the same layout, such as gradients."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.network.layer_kinds import TRANSPOSED


def weight(module: nn.Module) -> Tensor:
    """A convolution's weights."""
    return module.get_parameter("weight").detach()


def filters(model: nn.Module, site: Site, of: Callable[[nn.Module], Tensor] = weight) -> Float[Tensor, "map weight"]:
    """All weights that make each map, without biases, over all of the site's convolutions.

    `of` may give other numbers of a convolution, in the layout of its weights.
    """
    columns = []
    for name, channels in zip(site.convolutions, site.channels, strict=True):
        module = model.get_submodule(name)
        values = at_least_float32(of(module)).cpu()
        if isinstance(module, TRANSPOSED):
            groups = values.unflatten(0, (module.groups, -1)).transpose(1, 2)
            values = groups.flatten(0, 1)  # transposed convolutions store [in, out / groups, …]
        held = sorted((index, channel) for channel, index in enumerate(channels) if index >= 0)
        columns.append(values.flatten(1)[[channel for _, channel in held]].reshape(site.maps, -1))
    return torch.cat(columns, 1)


def convolutions(case: Case) -> dict[str, nn.Module]:
    """The convolutions that make the maps of any site, by name."""
    return {name: case.model.get_submodule(name) for site in case.sites for name in site.convolutions}
