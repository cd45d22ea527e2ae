"""The linear step: a layer's output without some of its input maps is its output minus the contribution of these maps.

Where something else than zeros stands in for them, its contribution is added.
"""

import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Int
from torch import Tensor, fx, nn
from torch.nn import functional as F

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.consumers import Channels
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.network.layer_kinds import MIXERS
from pruning_oracle.bench.network.nan_probes import decode_owners, probes
from pruning_oracle.bench.network.plain import is_plain
from pruning_oracle.oracle.exact.batch_layout import Rows, Values

CONVOLVE: dict[type[nn.Module], Callable[..., Tensor]] = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}
RunNodes = Callable[[list[fx.Node]], Values]


def layers_with_linear_step(
    model: fx.GraphModule, site: Site, nodes: list[fx.Node], run: RunNodes, device: torch.device
) -> dict[fx.Node, Channels]:
    """The layers among `nodes` that can take the linear step, and the channels of each map of the site in their input.

    They are the layers in whose input a removed map turns to zeros and nothing else changes. `nodes` are the operations behind
    the site's gates, in order; `run` runs some of them on a kept example, on `device`, with the gates as they are set. A map is
    followed by setting its gate to NaN, as in `bench/network/map_following.py`.
    """
    between, layers = _between(model, site, nodes)
    if not layers:
        return {}

    def probe(value: Tensor) -> Values:
        with gated(model, {site: value.to(device)[None]}):
            return run(between)

    passes = [probe(torch.where(followed, math.nan, 1.0)) for followed in probes(site.maps)]
    whole, empty = probe(torch.ones(site.maps)), probe(torch.zeros(site.maps))
    chosen = {}
    for node, source in layers.items():
        owner = decode_owners([values[source].isnan() for values in passes])
        if owner is None or not torch.equal(whole[source].masked_fill(owner >= 0, 0.0), empty[source]):
            continue  # the layer sees maps mixed, or a removed map as something other than zeros
        line = owner.movedim(-1 if _base(model.get_submodule(str(node.target))) is nn.Linear else 1, 0).flatten(1)
        if bool((line == line[:, :1]).all()):
            owners = line[:, 0].tolist()
            chosen[node] = [[place for place, of in enumerate(owners) if of == index] for index in range(site.maps)]
    return chosen


def _between(model: fx.GraphModule, site: Site, nodes: list[fx.Node]) -> tuple[list[fx.Node], dict[fx.Node, fx.Node]]:
    """The operations between the gates and the next layers that mix maps, and those of these layers that take the step."""
    between: list[fx.Node] = []
    layers: dict[fx.Node, fx.Node] = {}
    beyond: set[fx.Node] = set()
    for node in nodes:
        module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if beyond & set(node.all_input_nodes) or isinstance(module, MIXERS) or node.op == "output":
            beyond.add(node)
            source = node.args[0] if node.args else None
            if _takes_step(module) and isinstance(source, fx.Node) and source in between:
                layers[node] = source
        else:
            between.append(node)
    return between, layers


def _base(module: nn.Module | None) -> type[nn.Module] | None:
    """The linear or convolution class that a module computes as; None if there is none."""
    bases: tuple[type[nn.Module], ...] = (nn.Linear, *CONVOLVE)
    return next((base for base in bases if module is not None and is_plain(module, base)), None)


def _takes_step(module: nn.Module | None) -> bool:
    base = _base(module)
    plain = getattr(module, "groups", 1) == 1 and getattr(module, "padding_mode", "zeros") == "zeros"
    return base is not None and plain


def output_without_maps(
    layer: nn.Module,
    channels: Channels,
    given: Tensor,
    instead: Tensor | None,
    after: Tensor,
    rows: Rows,
    examples: Int[Tensor, " pair"],
    which: Int[Tensor, " pair"],
) -> Tensor:
    """A layer's output for every (example, removal) pair; pairs of one removal, named by `which`, must follow one another.

    `given` and `after` are the layer's kept input and output, both laid out as `rows`; `channels` are each removal's channels
    in the input. `instead` is the input with what stands in for removed maps, for every example or the same for all; None if
    zeros do. The contribution of what is removed, less that of what stands in, is computed from these channels alone.
    """
    result, start = rows.take(after, examples), 0
    for index, count in _runs(which):
        part = examples[start : start + count]
        if channels[index]:  # a layer that reads a part of the maps may read none of these
            result[start * rows.per : (start + count) * rows.per] -= _contribution(
                layer, channels[index], given, instead, rows, part
            )
        start += count
    return result


def _contribution(
    layer: nn.Module, channels: list[int], given: Tensor, instead: Tensor | None, rows: Rows, examples: Tensor
) -> Tensor:
    base, weight = _base(layer), layer.get_parameter("weight")[:, channels]
    index = (..., channels) if base is nn.Linear else (slice(None), channels)
    own = rows.take(given[index], examples)
    if instead is not None:
        whose = examples if len(instead) == len(given) else torch.zeros_like(examples)
        own = own - rows.take(instead[index], whose)
    if base is nn.Linear:
        return own @ weight.T
    assert base is not None
    return CONVOLVE[base](own, weight, None, layer.stride, layer.padding, layer.dilation)


def _runs(which: Tensor) -> Iterable[tuple[int, int]]:
    values, counts = which.unique_consecutive(return_counts=True)
    return zip(values.tolist(), counts.tolist(), strict=True)
