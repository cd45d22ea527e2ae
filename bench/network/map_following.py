"""Follows every feature map through a traced network, up to the layers that mix maps.

Apart from these layers, no operation is recognised by its name. Every operation of the traced network is run with some maps'
numbers changed, and where results change shows which output follows which map (`operation_probe.py`). So each number in the
network carries the label of its map, until a convolution, a linear or a recurrent layer mixes maps (`reading.py`).
Labels that meet elsewhere (in a residual sum, a depthwise convolution, a squeeze-and-excitation product) are one map. A map
that anything else mixes (a layer norm, the network's own output) is spoiled: setting it to zero does not equal deleting it.
"""

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.coupling import SEVERAL, MapLabels
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, MIXERS, MIXING, is_depthwise
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.operation_probe import OperationProbe
from pruning_oracle.bench.network.reading import Read, groups_of, read, source_of, tie


def follow_maps(graph: fx.GraphModule, inputs: Tensor) -> tuple[MapLabels, list[Read]]:
    """Runs the network once, operation by operation, and labels every number; also every call of a layer that reads maps."""
    learned, reads = MapLabels(graph, fx.Interpreter(graph)), list[Read]()
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if node.op == "output":
            for source in node.all_input_nodes:
                for labels in learned.labels[source]:
                    learned.spoil(labels, "its maps are the network's output")
        elif node.op == "placeholder":
            learned.values[node] = inputs
            learned.labels[node] = [_along(inputs, learned.fresh(inputs.shape[1]) if inputs.ndim > 1 else [NONE], 1)]
            learned.spoil(learned.labels[node][0], "it is tied to a channel of the network's input")
        else:
            learned.record(node)
            if isinstance(module, MIXERS) or node.target in MIXING:
                learned.labels[node] = _mix(learned, node, module, reads)
            else:
                learned.labels[node] = _pass(learned, node)
    tie(learned, reads)
    return learned, reads


def _along(value: Tensor, labels: list[int], axis: int) -> Tensor:
    """The labels of channels, expanded to the shape of a tensor that has its channels along an axis."""
    shape = [1] * value.ndim
    shape[min(axis, value.ndim - 1)] = len(labels)
    return torch.tensor(labels).view(shape).expand(value.shape)


def _mix(learned: MapLabels, node: fx.Node, module: nn.Module | None, reads: list[Read]) -> list[Tensor | None]:
    """The labels of the output of a layer that mixes maps: new ones, if it is a convolution."""
    if module is None and groups_of(learned, node, module) > 1:
        return _pass(learned, node)  # a function: depthwise, it passes maps on; grouped, it spoils them
    for other in node.all_input_nodes:
        for labels in learned.labels[other] if other is not source_of(node) else ():
            learned.spoil(labels, f"it enters {learned.describe(node)} as weights or state")
    if not is_depthwise(module):
        found = read(learned, node, module)
        if found is None and not isinstance(module, CONVOLUTIONS):
            return _pass(learned, node)
        reads += [found] if found else []
    if not isinstance(module, CONVOLUTIONS):
        return [None] * len(tree.tree_leaves(learned.values[node]))
    value = learned.values[node]
    made = learned.made.setdefault(str(node.target), [])
    made[:] = made or learned.fresh(module.out_channels)
    axis = value.ndim - module.get_parameter("weight").ndim + 1  # 0 without an axis of examples
    if is_depthwise(module):
        _join_depthwise(learned, node, module, made, axis)
    return [_along(value, made, axis)]


def _join_depthwise(learned: MapLabels, node: fx.Node, module: Any, made: list[int], axis: int) -> None:
    """Joins each map that a depthwise convolution reads with those that it makes of it."""
    labels = learned.labels[source_of(node)][0]
    if labels is None:
        return
    each = module.out_channels // module.in_channels
    rooted = learned.roots(labels).movedim(axis, 0).flatten(1)
    if bool((learned.lines(labels, axis) == SEVERAL).any()) and bool((rooted == rooted[:1]).all()):
        learned.spoil(labels, f"{learned.describe(node)} reads its maps along another axis than that of its channels")
        return
    for channel, line in enumerate(rooted):
        learned.join([*line.unique().tolist(), *made[channel * each : (channel + 1) * each]])


def _pass(learned: MapLabels, node: fx.Node) -> list[Tensor | None]:
    """The labels of the outputs of an operation that should mix no maps; maps that it does mix are spoiled."""
    value = learned.values[node]
    found: list[Tensor | None] = [None] * len(tree.tree_leaves(value))
    earlier = list[fx.Node]()
    for source in node.all_input_nodes:
        for place, labels in enumerate(learned.labels[source]):
            if labels is None or not learned.present(labels):
                continue
            followed = _follow(learned, node, source, place, labels)
            if followed is None:
                learned.spoil(labels, f"{learned.describe(node)} mixes maps, so that a map of zeros is not a map deleted")
                continue
            for index, after in enumerate(followed):
                before = found[index]
                if before is None:
                    found[index] = after
                    continue
                wide = _meet(learned, node, index, (earlier, before), ([source], after))
                learned.meeting |= {node} if bool(((before != NONE) & (after != NONE)).any()) else set()
                hidden = (before == NONE) | torch.isin(learned.roots(before), torch.tensor(sorted(wide), dtype=torch.long))
                found[index] = torch.where(hidden & (after != NONE), after, before)
        earlier.append(source)
    return found


def _follow(learned: MapLabels, node: fx.Node, source: fx.Node, place: int, labels: Tensor) -> list[Tensor] | None:
    """The labels that an operation's outputs have from one input; None if all of its maps mix.

    Maps that mix among themselves alone (the branches that a sum adds up, a group that is normalised together) are joined.
    """

    def run(value: Any) -> Any:
        return learned.run(node, {source: value})

    try:
        given, before = learned.values[source], learned.values[node]
        found = OperationProbe(run, given, place, learned.roots(labels), before)
        followed = found.single()
        groups = found.groups() if followed is None else None
        if groups is None:
            return followed
        for group in groups:
            learned.join(group)
        return OperationProbe(run, given, place, learned.roots(labels), before).single()
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):  # it does not take other numbers
        return None


def _meet(
    learned: MapLabels, node: fx.Node, place: int, first: tuple[list[fx.Node], Tensor], second: tuple[list[fx.Node], Tensor]
) -> set[int]:
    """Joins maps that meet in one number; one whose numbers each act on several others (an attention map) is spoiled instead.

    `first` and `second` are inputs of an operation and the labels that they give to its output at `place`. Returns the maps
    that are spoiled.
    """
    pairs, wide = learned.pairs(first[1], second[1]), set[int]()
    for side, (sources, _) in enumerate((first, second)):
        partners = Counter(pair[side] for pair in pairs)
        several = [label for label, count in partners.items() if count > 1]
        every = len({pair[1 - side] for pair in pairs})
        acting = {label for label in several if partners[label] == every}
        for source in sources if several else ():
            reached = _reached_by_one_number_each(learned, node, place, source, several)
            met = Counter(
                pair[side] for pair in learned.pairs(*(each[1].masked_fill(~reached, NONE) for each in (first, second)))
            )
            acting |= {label for label in several if met[label] > 1}
        pairs = [pair for pair in pairs if pair[side] not in acting]
        wide |= acting
    learned.spoil(wide, "it acts on several other maps at once")
    for pair in pairs:
        learned.join(pair)
    return wide


def _reached_by_one_number_each(learned: MapLabels, node: fx.Node, place: int, source: fx.Node, chosen: list[int]) -> Tensor:
    """Where an operation's output follows one number of each of the `chosen` maps in one of its inputs."""
    labels, value = learned.labels[source][0], learned.values[source]
    if labels is None or not isinstance(value, Tensor) or not value.is_floating_point():
        return torch.tensor(False)
    rooted, one = learned.roots(labels).flatten(), torch.zeros(value.numel(), dtype=torch.bool)
    for label in chosen:
        one[(rooted == label).nonzero()[:1, 0]] = True
    after = learned.run(node, {source: value.masked_fill(one.view(value.shape), math.nan)})
    return torch.as_tensor(tree.tree_leaves(after)[place]).isnan()
