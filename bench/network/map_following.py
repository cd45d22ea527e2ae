"""Follows every feature map through a traced network, up to the layers that mix maps.

Apart from these layers, no operation is recognised by its name. Every operation of the traced network is run with some maps set
to NaN, and where NaNs come out shows which output follows which map (`followed_labels`). So each number in the network carries
the label of the map that it comes from, until a convolution, a linear or a recurrent layer mixes maps. Labels that meet
elsewhere (in a residual sum, a depthwise convolution, a squeeze-and-excitation product) are one map. A map that anything else
mixes (a layer norm, the network's own output) is spoiled: setting it to zero does not equal deleting it.
"""

import math
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.coupling import Leaves, MapLabels, axis_of
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, MIXERS, MIXING, is_depthwise
from pruning_oracle.bench.network.nan_probes import NONE, decode_owners, probes


def follow_maps(graph: fx.GraphModule, inputs: Tensor) -> MapLabels:
    """Runs the network once, operation by operation, and labels every number."""
    learned = MapLabels(graph, fx.Interpreter(graph), {}, {}, [], {}, [], {})
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        if node.op == "output":
            for source in node.all_input_nodes:
                for labels in learned.labels[source]:
                    learned.spoil(labels, "its maps are the network's output")
            continue
        learned.values[node] = value = inputs if node.op == "placeholder" else learned.run(node)
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        outputs = tree.tree_leaves(value)
        if node.op == "placeholder":
            learned.labels[node] = [_along(value, learned.fresh(value.shape[1]) if value.ndim > 1 else [NONE])]
            learned.spoil(learned.labels[node][0], "it is tied to a channel of the network's input")
        elif isinstance(module, CONVOLUTIONS):
            learned.labels[node] = [_convolve(learned, node, module, value)]
        elif (isinstance(module, MIXERS) or node.target in MIXING) and _reads_maps(learned, node, module):
            learned.read.append(_source(node))
            for other in node.all_input_nodes:
                for labels in learned.labels[other] if other is not _source(node) else ():
                    learned.spoil(labels, f"it enters {node} as weights or state")
            learned.labels[node] = [None] * len(outputs)
        else:
            learned.labels[node] = _pass(learned, node, outputs)
    return learned


def _along(value: Tensor, labels: list[int]) -> Tensor:
    """The labels of channels, expanded to the shape of a tensor whose axis 1 is the channel."""
    shape = [1] * value.ndim
    shape[min(1, value.ndim - 1)] = len(labels)
    return torch.tensor(labels).view(shape).expand(value.shape)


def _source(node: fx.Node) -> fx.Node:
    """The node that a layer reads: its first argument, or the one called `input`."""
    source = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(source, fx.Node)
    return source


def _reads_maps(learned: MapLabels, node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a layer mixes along the axis of the maps; a layer that works along positions mixes positions, not maps."""
    labels = learned.labels[_source(node)][0]
    if labels is None or bool((labels == NONE).all()):
        return True
    bound = [*node.args, *[1] * 7][6] if "groups" not in node.kwargs else node.kwargs["groups"]
    if node.target in MIXING and node.target is not nn.functional.linear:
        return axis_of(labels) == 1 and int(bound) == 1  # type: ignore[arg-type]
    if isinstance(module, CONVOLUTIONS):
        return axis_of(labels) == 1
    return axis_of(labels) == labels.ndim - 1


def _convolve(learned: MapLabels, node: fx.Node, module: nn.Module, value: Tensor) -> Tensor:
    source = _source(node)
    made = learned.made.setdefault(str(node.target), [])
    made[:] = made or learned.fresh(module.out_channels)  # type: ignore[arg-type]
    labels = _along(value, made)
    incoming = learned.labels[source][0]
    if not _reads_maps(learned, node, module):
        learned.spoil(incoming, f"{learned.describe(node)} reads its maps along another axis than that of its channels")
    elif is_depthwise(module) and incoming is not None:
        per = len(made) // int(module.in_channels)  # type: ignore[arg-type]
        channels = incoming.flatten(2)[0, :, 0].repeat_interleave(per)
        learned.join(channels, torch.tensor(made))  # depthwise: a map in is a map out
    else:
        learned.read.append(source)
    return labels


def _pass(learned: MapLabels, node: fx.Node, outputs: Leaves) -> list[Tensor | None]:
    """The labels of the outputs of an operation that should mix no maps; maps that it does mix are spoiled."""
    found: list[Tensor | None] = [None] * len(outputs)
    for source in node.all_input_nodes:
        leaves, spec = tree.tree_flatten(learned.values[source])
        for place, labels in enumerate(learned.labels[source]):
            if labels is None:
                continue
            followed = followed_labels(learned, node, source, leaves, spec, place, labels)
            if followed is None:
                learned.spoil(labels, f"{learned.describe(node)} mixes maps, so that a map of zeros is not a map deleted")
                continue
            for index, after in enumerate(followed):
                before = found[index]
                if before is not None:
                    learned.meet(before, after)
                    learned.meeting |= {node} if bool(((before != NONE) & (after != NONE)).any()) else set()
                found[index] = after if before is None else torch.where(before == NONE, after, before)
    return found


def followed_labels(
    learned: MapLabels, node: fx.Node, source: fx.Node, leaves: Leaves, spec: Any, place: int, labels: Tensor
) -> list[Tensor] | None:
    """For each output of an operation the label that every number follows, or None when one number follows several.

    The labels are those of one tensor of the input `source`, at `place` among its `leaves`. For every binary digit of the
    labels, NaNs are put where the digit is 0, then where it is 1. A number that follows exactly one label turns NaN in exactly
    one of the two.
    """
    present = labels.unique()
    present = present[present != NONE]
    if not len(present):
        return []
    ranks = torch.searchsorted(present, labels.clamp(min=0).contiguous())
    tainted: list[list[Tensor]] = []
    for chosen in probes(len(present)):
        where = (labels != NONE) & chosen[ranks]
        probe = [*leaves[:place], leaves[place].masked_fill(where, math.nan), *leaves[place + 1 :]]
        after = learned.run(node, {source: tree.tree_unflatten(probe, spec)})
        tainted.append([_tainted(leaf) for leaf in tree.tree_leaves(after)])
    found = [decode_owners(list(leaf)) for leaf in zip(*tainted, strict=True)]
    return None if any(code is None for code in found) else [_at(present, code) for code in found if code is not None]


def _at(present: Tensor, code: Tensor) -> Tensor:
    return torch.where(code == NONE, NONE, present[code.clamp(min=0)])


def _tainted(leaf: Any) -> Tensor:
    """Where a result is NaN; only floating-point tensors carry maps."""
    if isinstance(leaf, Tensor):
        return leaf.isnan() if leaf.is_floating_point() else torch.zeros(leaf.shape, dtype=torch.bool)
    return torch.zeros(0, dtype=torch.bool)
