"""Finds the feature maps of any conv net (conv → [BN] → [activation]) and puts a Gate behind each.

Nothing here knows what an operation is called. Every operation of the traced network is run with some channels set to NaN,
and where the NaNs come out says which output follows which map (`follow`). So each number in the network carries the label
of the map it comes from, until a convolution or a linear layer mixes maps. Labels that meet elsewhere (a residual sum, a
depthwise convolution, a squeeze-and-excitation product) are one map, removed jointly.

A removed map must reach every layer that mixes maps as a zero. Its gates therefore stand in front of those layers, moved
back towards the convolution through operations that only pool or rearrange (`_place`), so that in a plain network the gate
comes directly behind the activation. Maps that some other operation mixes (a layer norm, the network's own output) cannot
be deleted by a zero and are left out with that reason.
"""

import copy
import math
import operator
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from bench.case import LeftOut, Site
from bench.errors import BadInput
from bench.gates import Gate

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# linear in their input, so that an input map of zeros is an input map deleted
MIXERS = (*CONVOLUTIONS, nn.Linear, nn.RNNBase, nn.RNNCellBase)
MIXING = {nn.functional.linear, nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d}
MIXING |= {torch.conv1d, torch.conv2d, torch.conv3d}
NONE = -1  # the label of a number that comes from no map, or from maps already mixed

Leaves = list[Any]


class Tracer(fx.Tracer):
    """Keeps torch's own modules, and whatever derives from a layer that mixes maps, as single operations."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Whether `module` stays one operation."""
        return isinstance(module, MIXERS) or super().is_leaf_module(module, name)


def trace(model: nn.Module) -> fx.GraphModule:
    """The network as a graph of operations; a network that cannot be traced must carry its own gates."""
    tracer = Tracer()
    try:
        graph = tracer.trace(model)
    except Exception as error:  # torch.fx raises whatever the model's own Python code raises on symbolic values
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"{type(model).__name__} cannot be traced by torch.fx ({reason}): put bench.gates.Gate modules into it where maps"
            " can be removed, and give the case its sites"
        ) from error
    return fx.GraphModule(tracer.root, graph)


@dataclass
class Gather:
    """What one walk over the graph learns: labels of every number, who reads them, which are one map, which are out."""

    model: fx.GraphModule
    interpreter: fx.Interpreter
    values: dict[fx.Node, Any]
    labels: dict[fx.Node, list[Tensor | None]]
    parent: list[int]  # union-find over labels
    made: dict[str, list[int]]  # convolution -> label of each output channel
    read: list[fx.Node]  # inputs of layers that mix maps
    spoiled: dict[int, str]  # label -> why it is left out
    present: dict[fx.Node, set[int]] = field(default_factory=dict)  # remembered answers of `_present` and `_movable`
    movable: dict[tuple[fx.Node, fx.Node], set[int]] = field(default_factory=dict)

    def root(self, label: int) -> int:
        """The label that stands for all labels joined with this one."""
        while self.parent[label] != label:
            self.parent[label] = self.parent[self.parent[label]]
            label = self.parent[label]
        return label

    def join(self, first: Tensor, second: Tensor) -> None:
        """Makes labels that meet in one number the same map."""
        pairs = torch.stack([first.flatten(), second.flatten()])
        for a, b in pairs[:, (pairs != NONE).all(0)].unique(dim=1).T.tolist():
            a, b = self.root(a), self.root(b)
            self.parent[max(a, b)] = min(a, b)

    def fresh(self, count: int) -> list[int]:
        """New labels."""
        first = len(self.parent)
        self.parent += range(first, first + count)
        return self.parent[first:]

    def spoil(self, labels: Tensor | None, reason: str) -> None:
        """Leaves these labels' maps out."""
        for label in [] if labels is None else labels.unique().tolist():
            if label != NONE:
                self.spoiled.setdefault(label, reason)


def find(model: nn.Module, inputs: Tensor) -> tuple[fx.GraphModule, tuple[Site, ...], tuple[LeftOut, ...]]:
    """A traced copy of the model with gates in it, its sites, and the maps that are none, with the reason.

    `inputs` is a batch of at least two examples, as the model takes it. The copy shares no parameters with the model.
    """
    graph = trace(copy.deepcopy(model).cpu().float())
    if not any(isinstance(module, CONVOLUTIONS) for module in graph.modules()):
        raise BadInput(f"{type(model).__name__} has no convolution, so it has no feature maps to remove")
    learned = _walk(graph, inputs.cpu().float() if inputs.is_floating_point() else inputs.cpu())
    places: dict[int, list[fx.Node]] = defaultdict(list)
    for node in learned.read:
        for label in sorted(_present(learned, node)):
            place = _place(learned, node, label)
            if place not in places[label]:
                places[label].append(place)
    sites, left_out = _sites(learned, places)
    return graph, _insert(learned, sites, places), left_out


def _walk(graph: fx.GraphModule, inputs: Tensor) -> Gather:
    learned = Gather(graph, fx.Interpreter(graph), {}, {}, [], {}, [], {})
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        if node.op == "output":
            for source in node.all_input_nodes:
                for labels in learned.labels[source]:
                    learned.spoil(labels, "its maps are the network's output")
            continue
        learned.values[node] = value = inputs if node.op == "placeholder" else run(learned, node)
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        outputs = [leaf for leaf in tree.tree_leaves(value)]
        if node.op == "placeholder":
            learned.labels[node] = [_along(value, learned.fresh(value.shape[1]) if value.ndim > 1 else [NONE])]
            learned.spoil(learned.labels[node][0], "it is tied to a channel of the network's input")
        elif isinstance(module, CONVOLUTIONS):
            learned.labels[node] = [_convolve(learned, node, module, value)]
        elif isinstance(module, MIXERS) or node.target in MIXING:
            learned.read.append(node.args[0])
            for other in node.all_input_nodes[1:]:
                for labels in learned.labels[other]:
                    learned.spoil(labels, f"it enters {node} as weights or state")
            learned.labels[node] = [None] * len(outputs)
        else:
            learned.labels[node] = _pass(learned, node, outputs)
    return learned


def run(learned: Gather, node: fx.Node, replaced: dict[fx.Node, Any] | None = None) -> Any:
    """The operation's result on the recorded inputs, or on others for some; inputs are copied, for it may work in place."""
    values = learned.values | (replaced or {})
    copied = {source: tree.tree_map_only(Tensor, Tensor.clone, values[source]) for source in node.all_input_nodes}
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: copied[source])
    with torch.no_grad():
        return getattr(learned.interpreter, node.op)(node.target, args, kwargs)


def _along(value: Tensor, labels: list[int]) -> Tensor:
    """Labels of channels laid out over a tensor whose axis 1 is the channel."""
    shape = [1] * value.ndim
    shape[min(1, value.ndim - 1)] = len(labels)
    return torch.tensor(labels).view(shape).expand(value.shape)


def _convolve(learned: Gather, node: fx.Node, module: nn.Module, value: Tensor) -> Tensor:
    source = node.args[0]
    made = learned.made.setdefault(str(node.target), [])
    made[:] = made or learned.fresh(module.out_channels)  # type: ignore[arg-type]
    labels = _along(value, made)
    incoming = learned.labels[source][0]  # type: ignore[index]
    if 1 < module.groups == module.in_channels and incoming is not None:  # type: ignore[operator]
        per = len(made) // int(module.in_channels)  # type: ignore[arg-type]
        channels = incoming.flatten(2)[0, :, 0].repeat_interleave(per)
        learned.join(channels, torch.tensor(made))  # depthwise: a map in is a map out
    else:
        learned.read.append(source)  # type: ignore[arg-type]
    return labels


def _pass(learned: Gather, node: fx.Node, outputs: Leaves) -> list[Tensor | None]:
    """Labels behind an operation that mixes no maps; maps that it does mix are spoiled."""
    found: list[Tensor | None] = [None] * len(outputs)
    for source in node.all_input_nodes:
        leaves, spec = tree.tree_flatten(learned.values[source])
        for place, labels in enumerate(learned.labels[source]):
            if labels is None:
                continue
            followed = follow(learned, node, source, leaves, spec, place, labels)
            if followed is None:
                learned.spoil(labels, f"{_describe(learned, node)} mixes maps, so that a map of zeros is not a map deleted")
                continue
            for index, after in enumerate(followed):
                before = found[index]
                if after is not None and before is not None:
                    learned.join(before, after)
                    after = torch.where(before == NONE, after, before)
                found[index] = before if after is None else after
    return found


def follow(
    learned: Gather, node: fx.Node, source: fx.Node, leaves: Leaves, spec: Any, place: int, labels: Tensor
) -> list[Tensor | None] | None:
    """The label that every number of an operation's outputs follows, or None when one number follows several.

    NaNs are put where one binary digit of the label is 0, then where it is 1: a number that follows exactly one label turns
    NaN in exactly one of the two, for every digit.
    """
    present = labels.unique()
    present = present[present != NONE]
    if not len(present):
        return []
    ranks = torch.searchsorted(present, labels.clamp(min=0).contiguous())
    code: list[Tensor] = []
    for digit in range(max(1, math.ceil(math.log2(len(present))))):
        tainted = []
        for bit in (0, 1):
            where = (labels != NONE) & ((ranks >> digit) % 2 == bit)
            probe = tree.tree_unflatten([*leaves[:place], leaves[place].masked_fill(where, math.nan), *leaves[place + 1 :]], spec)
            tainted.append([_tainted(leaf) for leaf in tree.tree_leaves(run(learned, node, {source: probe}))])
        if digit == 0:
            code = [torch.zeros_like(ones, dtype=torch.long) if ones is not None else ones for ones in tainted[0]]
            touched = [None if a is None else a | b for a, b in zip(*tainted, strict=True)]
        for index, (zeros, ones) in enumerate(zip(*tainted, strict=True)):
            if zeros is not None and bool((zeros & ones).any()):
                return None
            if ones is not None:
                code[index] = code[index] + (ones.long() << digit)
    return [None if hit is None else torch.where(hit, present[number * hit], NONE) for hit, number in zip(touched, code, strict=True)]


def _tainted(leaf: Any) -> Tensor | None:
    return leaf.isnan() if isinstance(leaf, Tensor) and leaf.is_floating_point() else None


def _present(learned: Gather, node: fx.Node) -> set[int]:
    """The maps whose numbers a node's output holds."""
    if node not in learned.present:
        raw = {label for leaf in learned.labels[node] if leaf is not None for label in leaf.unique().tolist()}
        learned.present[node] = {learned.root(label) for label in raw - {NONE}}
    return learned.present[node]


def _place(learned: Gather, node: fx.Node, label: int) -> fx.Node:
    """The node behind which one map is removed: as far back as zeros stay zeros, but behind its activation."""
    while str(node.target) not in learned.made:
        holders = [source for source in node.all_input_nodes if label in _present(learned, source)]
        if len(holders) != 1 or label not in _movable(learned, node, holders[0]):
            break
        node = holders[0]
    return node


def _movable(learned: Gather, node: fx.Node, source: fx.Node) -> set[int]:
    """The maps that can as well be removed in front of an operation: it keeps their zeros and only pools or rearranges."""
    if (node, source) not in learned.movable:
        before, labels = learned.values[source], learned.labels[node][0]
        movable: set[int] = set()
        if isinstance(before, Tensor) and labels is not None and not _elementwise(learned, node, source):
            known = learned.labels[source][0]
            assert known is not None
            emptied = run(learned, node, {source: before.masked_fill(known != NONE, 0.0)})
            kept = labels[(emptied != 0) & (labels != NONE)].unique().tolist()
            movable = _present(learned, source) - {learned.root(label) for label in kept}
        learned.movable[node, source] = movable
    return learned.movable[node, source]


def _elementwise(learned: Gather, node: fx.Node, source: fx.Node) -> bool:
    """Whether an operation changes each number by itself (an activation, a batch norm); doing nothing does not count."""
    before, after = learned.values[source], learned.values[node]
    if before.shape != after.shape or torch.equal(before, after):
        return False
    middle = tuple(size // 2 for size in before.shape)
    touched = before.clone()
    touched[middle] = math.nan
    hit = run(learned, node, {source: touched}).isnan()
    return int(hit.sum()) == 1 and bool(hit[middle])


def _sites(learned: Gather, places: dict[int, list[fx.Node]]) -> tuple[list[tuple[Site, list[int]]], tuple[LeftOut, ...]]:
    """Groups maps that the same convolutions make and the same gates remove; the rest is left out."""
    spoiled = {learned.root(label): reason for label, reason in reversed(learned.spoiled.items())}
    makers: dict[int, list[str]] = defaultdict(list)
    left: dict[tuple[str, str], int] = defaultdict(int)
    for name, labels in learned.made.items():
        for label in map(learned.root, labels):
            reason = spoiled.get(label) or _homeless(learned, places.get(label, []))
            if reason is not None:
                left[name, reason] += 1
            elif name not in makers[label]:
                makers[label].append(name)
    groups: dict[Any, list[int]] = defaultdict(list)
    for label, names in makers.items():
        groups[tuple(names), tuple(places[label])].append(label)
    sites: list[tuple[Site, list[int]]] = []
    for (names, _), labels in groups.items():
        taken = sum(site.convolutions[0] == names[0] for site, _ in sites)
        index = {label: number for number, label in enumerate(labels)}
        channels = tuple(tuple(index.get(learned.root(label), NONE) for label in learned.made[name]) for name in names)
        sites.append((Site(names[0] + (f":{taken + 1}" if taken else ""), len(labels), names, (), channels), labels))
    unused = [(name, module) for name, module in learned.model.named_modules() if isinstance(module, CONVOLUTIONS)]
    out = [LeftOut(name, count, reason) for (name, reason), count in left.items()]
    out += [LeftOut(name, m.out_channels, "the forward pass does not call it") for name, m in unused if name not in learned.made]
    return sites, tuple(out)


def _homeless(learned: Gather, nodes: list[fx.Node]) -> str | None:
    if not nodes:
        return "its maps reach no layer that mixes maps"
    lost = [node for node in nodes if _axis(learned.labels[node][0]) is None]
    return f"its channels lie along no one axis behind {lost[0]}" if lost else None


def _axis(labels: Tensor | None) -> int | None:
    """The axis along which alone the labels vary."""
    assert labels is not None
    for axis in [*range(1, labels.ndim), 0]:
        line = labels
        for other in range(labels.ndim):
            line = line if other == axis else line.narrow(other, 0, 1)
        if bool((line == labels).all()):
            return axis
    return None


def _insert(
    learned: Gather, sites: list[tuple[Site, list[int]]], places: dict[int, list[fx.Node]]
) -> tuple[Site, ...]:
    """Puts the gates into the graph; returns the sites with their gates' names."""
    graph, finished = learned.model, []
    graph.add_module("gates", nn.Module())
    last: dict[fx.Node, fx.Node] = {}
    for site, labels in sites:
        names = []
        index = {label: number for number, label in enumerate(labels)}
        for number, node in enumerate(places[labels[0]]):
            found = learned.labels[node][0]
            axis = _axis(found)
            assert found is not None and axis is not None
            line = found.movedim(axis, 0).flatten(1)[:, 0].tolist()
            maps = [index.get(learned.root(label), NONE) if label != NONE else NONE for label in line]
            name = f"gates.{site.name.replace('.', '_').replace(':', '_')}" + (f"_{number + 1}" if number else "")
            graph.add_submodule(name, Gate(len(maps) if maps == list(range(len(maps))) else maps, axis))
            before = last.get(node, node)
            with graph.graph.inserting_after(before):
                gate = graph.graph.call_module(name, (before,))
            before.replace_all_uses_with(gate, delete_user_cb=lambda user, gate=gate: user is not gate)
            last[node] = gate
            names.append(name)
        finished.append(Site(site.name, site.maps, site.convolutions, tuple(names), site.channels))
    graph.recompile()
    return tuple(finished)


def _describe(learned: Gather, node: fx.Node) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(learned.model.get_submodule(str(node.target))).__name__})"
    name = getattr(node.target, "__name__", str(node.target))
    return f"{name} (operation {node})"
