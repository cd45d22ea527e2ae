"""What a network and each of its feature maps cost: FLOPs of one example's forward pass, and parameters.

FLOPs are counted as in `flops.py`, without biases, so that the saving by deleting a map is exact. The paper's formula counts
the bias of a convolution as one more input; `MapCost.made` follows that formula, since the paper's λ is meant for its numbers.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.network.consumers import Channels, consumers
from pruning_oracle.bench.network.flops import RECURRENT, Layer, Products, input_matrices, layers, weight_count

PER_MAP = (_NormBase, nn.PReLU)  # modules that can hold parameters of single maps


@dataclass(frozen=True)
class Cost:
    """What a whole network costs: FLOPs of one example's forward pass, and parameters."""

    flops: int
    parameters: int


@dataclass(frozen=True)
class MapCost:
    """What one map of a site costs: the mean over the site's maps, which cost the same unless a network splits its channels."""

    made: float  # FLOPs of making it, by the paper's formula: 2HW(C_in·K² + 1) in each convolution that makes it
    saved: float  # FLOPs that deleting it saves, in the convolutions that make it and the layers that read it
    parameters: float  # parameters that deleting it saves


def whole(case: Case) -> Cost:
    """What the case's network costs; the FLOPs of a recurrent layer count each of its weights at every step."""
    with Products() as products:
        known = layers(case)
    recurrent = sum(layer.flops for layer in known.values() if isinstance(layer.module, RECURRENT))
    return Cost(products.flops + recurrent, sum(parameter.numel() for parameter in case.model.parameters()))


def maps(case: Case) -> dict[str, MapCost]:
    """What one map of each site costs, by the site's name.

    A layer with I input and O output channels has I·O pairs of channels. If `i` of its inputs carry the map and `o` of its
    outputs are the map, then (I − i)(O − o) pairs are left when the map is deleted. A depthwise convolution loses the share of
    the map that passes through it. Other grouped convolutions count the same share, though maps can be deleted from them only
    together, one from every group. Code that calls no layer of torch (`torch.nn.functional.conv2d`, a user's own convolution)
    is not seen.
    """
    known = {layer.module: layer for layer in layers(case).values()}
    feeds = consumers(case, PER_MAP)
    return {site.name: _map_cost(case, site, known, feeds[site.name]) for site in case.sites}


def making(case: Case) -> dict[str, float]:
    """`MapCost.made` by the site's name: FLOPs of making one of its maps. Takes a single pass, where `maps` takes many."""
    known = {layer.module: layer for layer in layers(case).values()}
    found = {}
    for site in case.sites:
        makers = [case.model.get_submodule(name) for name in site.convolutions]
        total = sum(
            sum(owner >= 0 for owner in channels) * _made(known[module])
            for module, channels in zip(makers, site.channels, strict=True)
            if module in known
        )
        found[site.name] = total / site.maps
    return found


def _made(layer: Layer) -> int:
    """FLOPs of making one output channel of a convolution, its bias counted as one more input."""
    module: Any = layer.module
    return layer.flops // module.out_channels + 2 * layer.positions


def _map_cost(case: Case, site: Site, known: dict[nn.Module, Layer], feeds: list[tuple[str, Channels]]) -> MapCost:
    find = case.model.get_submodule
    makers = {find(name): Counter(channels) for name, channels in zip(site.convolutions, site.channels, strict=True)}
    readers = {find(name): [len(channels) for channels in of] for name, of in feeds}
    made = saved = parameters = 0
    modules: list[Any] = list({**makers, **readers})
    for module in modules:
        layer = known.get(module)
        for index in range(site.maps):
            inputs = readers[module][index] if module in readers else 0
            outputs = makers[module][index] if module in makers else 0
            if layer is None:
                parameters += inputs * _own(module)
                continue
            lost = _lost(module, inputs, outputs)
            saved += 2 * layer.uses * lost
            parameters += lost + outputs * (module.bias is not None)
            made += outputs * _made(layer) if outputs else 0
    return MapCost(made / site.maps, saved / site.maps, parameters / site.maps)


def _lost(module: Any, inputs: int, outputs: int) -> int:
    """How many weights of a layer are deleted with so many of its input and output channels."""
    if isinstance(module, RECURRENT):
        return inputs * sum(len(matrix) for matrix in input_matrices(module).values())
    linear = isinstance(module, nn.Linear)
    every, made = (module.in_features, module.out_features) if linear else (module.in_channels, module.out_channels)
    left = (every - inputs) * (made - outputs)
    return weight_count(module) * (every * made - left) // (every * made)


def _own(module: Any) -> int:
    """How many parameters each channel has in a module that mixes no maps."""
    if isinstance(module, _NormBase):
        return sum(parameter.numel() for parameter in module.parameters()) // module.num_features
    return int(isinstance(module, nn.PReLU) and module.num_parameters > 1)
