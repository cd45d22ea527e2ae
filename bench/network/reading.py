"""How layers that mix maps read them: which map lies in each input channel, and which maps can only be deleted together.

A map is deleted by deleting the input channels that carry it. So maps that one channel carries, at different positions or in
different calls of a layer, are one map; and so are maps whose filters are the same numbers, in layers with tied weights.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.coupling import SEVERAL, MapLabels
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, CONVOLVING, MIXERS, MIXING, TRANSPOSING, is_depthwise
from pruning_oracle.bench.network.nan_probes import NONE

DEPTHWISE = "depthwise"
INPUT_WEIGHTS = ("weight", "weight_ih", "weight_ih_l0", "weight_ih_l0_reverse")  # of modules, which multiply their inputs


@dataclass(frozen=True)
class Read:
    """One call of a layer that mixes maps: the value that it reads, and the axis of that value's channels."""

    layer: fx.Node
    source: fx.Node
    axis: int


def source_of(node: fx.Node) -> fx.Node:
    """The node that a layer reads: its first argument, or the one called `input`."""
    source = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(source, fx.Node)
    return source


def argument(learned: MapLabels, node: fx.Node, name: str, place: int, default: Any = None) -> Any:
    """The value of an operation's argument, given by name or by place."""
    given = node.kwargs.get(name, node.args[place] if len(node.args) > place else default)
    return learned.values[given] if isinstance(given, fx.Node) else given


def groups_of(learned: MapLabels, node: fx.Node, module: nn.Module | None) -> int:
    """The groups of a convolution; 1 for any other layer."""
    if module is not None:
        return int(getattr(module, "groups", 1))
    if node.target not in CONVOLVING and node.target not in TRANSPOSING:
        return 1
    return int(argument(learned, node, "groups", 6, 1))


def read(learned: MapLabels, node: fx.Node, module: nn.Module | None) -> Read | None:
    """How a layer reads its input; None if it mixes positions, not maps.

    Maps that share an input channel are joined. Maps that no deletion of input channels deletes are spoiled.
    """
    source = source_of(node)
    labels, value = learned.labels[source][0], tree.tree_leaves(learned.values[source])[0]
    convolves = isinstance(module, CONVOLUTIONS) or node.target in CONVOLVING or node.target in TRANSPOSING
    axis = value.ndim - 1
    if convolves:
        axis -= value.ndim - 2 if module is None or value.ndim == module.get_parameter("weight").ndim else value.ndim - 1
    if labels is None:
        return Read(node, source, axis)
    lines = learned.lines(labels, axis)
    if bool((lines == SEVERAL).any()):
        rooted = learned.roots(labels).movedim(axis, 0).flatten(1)
        if bool((rooted == rooted[:1]).all()):
            if convolves:
                learned.spoil(labels, f"{learned.describe(node)} reads its maps along another axis than that of its channels")
            return None
        for line in rooted[lines == SEVERAL]:
            learned.join(line.unique().tolist())
    return Read(node, source, axis)


def tie(learned: MapLabels, reads: list[Read]) -> None:
    """Joins the maps that only go together since layers share weights; spoils those for which sharing rules deletion out."""
    users: dict[int, dict[fx.Node, str]] = defaultdict(dict)  # where weights lie -> the operations on them, and their kinds
    held = set[fx.Node]()  # tensors of the network that weights of functions are computed from
    for node in reversed(learned.model.graph.nodes):
        held |= _behind(learned, node)
        kind, weights = _weights(learned, node, held)
        for weight in weights:
            users[weight.data_ptr()][node] = kind
    by_layer = {read.layer: read for read in reads}
    for nodes in users.values():
        names = list(dict.fromkeys(str(node.target) for node in nodes if str(node.target) in learned.made))
        ours = [by_layer[node] for node in nodes if node in by_layer]
        if len(set(nodes.values())) > 1 or (ours and len(ours) < sum(kind != DEPTHWISE for kind in nodes.values())):
            for node in nodes:
                others = ", ".join(dict.fromkeys(learned.describe(other) for other in nodes if other.target != node.target))
                reason = f"its weights also serve {others or 'along another axis'}"
                learned.spoil(learned.made.get(str(node.target), []), reason)
                if node in by_layer:
                    learned.spoil(learned.labels[by_layer[node].source][0], f"{learned.describe(node)} reads it: {reason}")
            continue
        for labels in zip(*(learned.made[name] for name in names), strict=True):
            learned.join(labels)
        if len(ours) > 1:
            _join_channels(learned, ours)


def _join_channels(learned: MapLabels, reads: list[Read]) -> None:
    """Joins what several calls read through the same weights; a map that other values share them with is spoiled."""
    lines, others = [], []
    for one in reads:
        labels, value = learned.labels[one.source][0], tree.tree_leaves(learned.values[one.source])[0]
        if labels is None:
            labels = torch.full_like(value, NONE, dtype=torch.long)
        lines.append(learned.lines(labels, one.axis))
        others.append(((labels == NONE) & (value != 0)).movedim(one.axis, 0).flatten(1).any(1))
    for channel in zip(*(line.tolist() for line in lines), *(other.tolist() for other in others), strict=True):
        labels_here, other_values = channel[: len(reads)], channel[len(reads) :]
        learned.join(labels_here)
        if any(label == NONE and other for label, other in zip(labels_here, other_values, strict=True)):
            learned.spoil(labels_here, f"{learned.describe(reads[0].layer)} reads other values through the same weights")


def _weights(learned: MapLabels, node: fx.Node, held: set[fx.Node]) -> tuple[str, list[Tensor]]:
    """The tensors of weights that an operation uses, and how: as a layer of a kind, or as plain numbers."""
    if node.op == "call_module":
        module = learned.model.get_submodule(str(node.target))
        kind = next((base.__name__ for base in MIXERS if isinstance(module, base)), "")
        names = [name for name, _ in module.named_parameters(recurse=False) if kind and name in INPUT_WEIGHTS]
        return DEPTHWISE if is_depthwise(module) else kind, [module.get_parameter(name) for name in names]
    if node.op == "get_attr" and node not in held and isinstance(learned.values[node], Tensor):
        return "numbers", [learned.values[node]]
    return str(node.target), [learned.values[other] for other in _behind(learned, node)]


def _behind(learned: MapLabels, node: fx.Node) -> set[fx.Node]:
    """The tensors of the network that the weights of a function that mixes maps are computed from."""
    weight = node.kwargs.get("weight", node.args[1] if len(node.args) > 1 else None) if node.target in MIXING else None
    waiting, found = [weight] if isinstance(weight, fx.Node) else [], set[fx.Node]()
    while waiting:
        one = waiting.pop()
        found |= {one} if one.op == "get_attr" and isinstance(learned.values[one], Tensor) else set()
        waiting += one.all_input_nodes
    return found
