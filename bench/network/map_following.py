"""Follows every feature map through a traced network, up to the layers that mix maps.

Apart from these layers, no operation is recognised by its name. Every operation of the traced network is run with some maps set
to NaN, and where NaNs come out shows which output follows which map (`followed_labels`). So each number in the network carries
the label of the map that it comes from, until a convolution, a linear or a recurrent layer mixes maps. Labels that meet
elsewhere (in a residual sum, a depthwise convolution, a squeeze-and-excitation product) are one map. A map that anything else
mixes (a layer norm, the network's own output) is spoiled: setting it to zero does not equal deleting it.
"""

import inspect
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
# layers that mix maps; they are linear in their input, so that an input map of zeros equals a deleted one
MIXERS = (*CONVOLUTIONS, nn.Linear, nn.RNNBase, nn.RNNCellBase)
MIXING = {nn.functional.linear, nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d}
MIXING |= {torch.conv1d, torch.conv2d, torch.conv3d}
# the advice in messages about a network that cannot be followed
OWN_GATES = "put gates (pruning_oracle.bench.network.gates.Gate) into it where maps can be removed, and name them as sites"
NONE = -1  # the label of a number that comes from no map, or from maps already mixed

Leaves = list[Any]


def is_depthwise(module: nn.Module | None) -> bool:
    """Whether a module is a depthwise convolution, which handles every map separately."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels


class Tracer(fx.Tracer):
    """A tracer that keeps torch's own modules, and whatever derives from a layer that mixes maps, as single operations."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Whether `module` stays a single operation."""
        return isinstance(module, MIXERS) or super().is_leaf_module(module, name)


def trace(model: nn.Module) -> fx.GraphModule:
    """The network as a graph of operations on its one input; BadInput if torch.fx cannot trace it.

    Further arguments of its forward pass take their defaults. The class of `model` is changed for that, so pass a copy.
    """
    tracer, kind = Tracer(), type(model)
    if len(inspect.signature(kind.forward).parameters) > 2:

        def forward(self: nn.Module, inputs: Any) -> Any:
            return kind.forward(self, inputs)

        model.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    try:
        graph = tracer.trace(model)
    except Exception as error:  # torch.fx raises whatever the model's own Python code raises on symbolic values
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{kind.__name__} cannot be traced by torch.fx ({reason}): {OWN_GATES}") from error
    return fx.GraphModule(tracer.root, graph)


@dataclass
class Labels:
    """What `walk` learns: the label of every number, which labels are one map, where layers read maps, which are left out."""

    model: fx.GraphModule
    interpreter: fx.Interpreter
    values: dict[fx.Node, Any]
    labels: dict[fx.Node, list[Tensor | None]]
    parent: list[int]  # union-find over labels
    made: dict[str, list[int]]  # convolution -> label of each output channel
    read: list[fx.Node]  # operations whose outputs a layer that mixes maps reads
    spoiled: dict[int, str]  # label -> why it is left out
    held: dict[fx.Node, set[int]] = field(default_factory=dict)  # cached results of `present`
    movable: dict[fx.Node, set[int]] = field(default_factory=dict)  # cached results of `_movable` in sites.py
    first: dict[fx.Node, Tensor] = field(default_factory=dict)  # where each value comes from the first of the two examples
    meeting: set[fx.Node] = field(default_factory=set)  # operations in which maps of two inputs meet in one number

    def root(self, label: int) -> int:
        """The label that stands for all labels joined with this one."""
        while self.parent[label] != label:
            self.parent[label] = self.parent[self.parent[label]]
            label = self.parent[label]
        return label

    def join(self, first: Tensor, second: Tensor) -> None:
        """Makes one map of the labels that two tensors hold at the same position."""
        for a, b in self._pairs(first, second):
            low, high = sorted((self.root(a), self.root(b)))
            self.parent[high] = low

    def meet(self, first: Tensor, second: Tensor) -> None:
        """Joins maps that meet in one number; a map that meets several others (an attention map) is spoiled instead."""
        met = self._pairs(first, second)
        for side in (0, 1):
            partners = [pair[side] for pair in met]
            for label in {label for label in partners if partners.count(label) > 1}:
                self.spoiled.setdefault(label, "it acts on several other maps at once")
                met = {pair for pair in met if pair[side] != label}
        for pair in met:
            self.join(*torch.tensor(pair).unbind())

    def _pairs(self, first: Tensor, second: Tensor) -> set[tuple[int, int]]:
        pairs = torch.stack([first.flatten(), second.flatten()])
        return {(self.root(a), self.root(b)) for a, b in pairs[:, (pairs != NONE).all(0)].unique(dim=1).T.tolist()}

    def fresh(self, count: int) -> list[int]:
        """Makes `count` new labels."""
        first = len(self.parent)
        self.parent += range(first, first + count)
        return self.parent[first:]

    def present(self, node: fx.Node) -> set[int]:
        """The maps in a node's output, each by its root label."""
        if node not in self.held:
            raw = {label for leaf in self.labels[node] if leaf is not None for label in leaf.unique().tolist()}
            self.held[node] = {self.root(label) for label in raw - {NONE}}
        return self.held[node]

    def run(self, node: fx.Node, replaced: dict[fx.Node, Any] | None = None) -> Any:
        """An operation's result on the recorded inputs, of which `replaced` may replace some.

        It is run on copies of the inputs; BadInput if it writes into one of them.
        """
        values = self.values | (replaced or {})
        copied = {source: tree.tree_map_only(Tensor, Tensor.clone, values[source]) for source in node.all_input_nodes}
        versions = [leaf._version for leaf in tree.tree_leaves(copied) if isinstance(leaf, Tensor)]
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: copied[source])
        with torch.no_grad():
            result = getattr(self.interpreter, node.op)(node.target, args, kwargs)
        if versions != [leaf._version for leaf in tree.tree_leaves(copied) if isinstance(leaf, Tensor)]:
            raise BadInput(
                f"{_describe(self, node)} writes into a value that it was given: let it return a new one, or {OWN_GATES}"
            )
        return result

    def example_major(self, node: fx.Node) -> bool:
        """Whether the first half of a node's output rows belongs to the first of the two examples, the rest to the second."""
        if not self.first:
            values: dict[fx.Node, Any] = {}
            for other in self.model.graph.nodes:
                if other.op == "placeholder":
                    values[other] = self.values[other].clone()
                    values[other][0] = math.nan
                elif other.op != "output":
                    values[other] = self.run(other, values)
            self.first = {other: value.isnan() for other, value in values.items() if isinstance(value, Tensor)}
        rows = self.first[node].flatten(1).any(1)
        return rows.tolist() == [True] * (len(rows) // 2) + [False] * (len(rows) // 2)

    def spoil(self, labels: Tensor | None, reason: str) -> None:
        """Marks the maps of these labels to be left out, with the reason."""
        for label in [] if labels is None else labels.unique().tolist():
            if label != NONE:
                self.spoiled.setdefault(label, reason)


def walk(graph: fx.GraphModule, inputs: Tensor) -> Labels:
    """Runs the network once, operation by operation, and labels every number."""
    learned = Labels(graph, fx.Interpreter(graph), {}, {}, [], {}, [], {})
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


def _reads_maps(learned: Labels, node: fx.Node, module: nn.Module | None) -> bool:
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


def axis_of(labels: Tensor | None) -> int | None:
    """The only axis along which the labels vary; None if they vary along several."""
    if labels is None:
        return None
    for axis in [*range(1, labels.ndim), 0]:
        line = labels
        for other in range(labels.ndim):
            line = line if other == axis else line.narrow(other, 0, 1)
        if bool((line == labels).all()):
            return axis
    return None


def _convolve(learned: Labels, node: fx.Node, module: nn.Module, value: Tensor) -> Tensor:
    source = _source(node)
    made = learned.made.setdefault(str(node.target), [])
    made[:] = made or learned.fresh(module.out_channels)  # type: ignore[arg-type]
    labels = _along(value, made)
    incoming = learned.labels[source][0]
    if not _reads_maps(learned, node, module):
        learned.spoil(incoming, f"{_describe(learned, node)} reads its maps along another axis than that of its channels")
    elif is_depthwise(module) and incoming is not None:
        per = len(made) // int(module.in_channels)  # type: ignore[arg-type]
        channels = incoming.flatten(2)[0, :, 0].repeat_interleave(per)
        learned.join(channels, torch.tensor(made))  # depthwise: a map in is a map out
    else:
        learned.read.append(source)
    return labels


def _pass(learned: Labels, node: fx.Node, outputs: Leaves) -> list[Tensor | None]:
    """The labels of the outputs of an operation that should mix no maps; maps that it does mix are spoiled."""
    found: list[Tensor | None] = [None] * len(outputs)
    for source in node.all_input_nodes:
        leaves, spec = tree.tree_flatten(learned.values[source])
        for place, labels in enumerate(learned.labels[source]):
            if labels is None:
                continue
            followed = followed_labels(learned, node, source, leaves, spec, place, labels)
            if followed is None:
                learned.spoil(labels, f"{_describe(learned, node)} mixes maps, so that a map of zeros is not a map deleted")
                continue
            for index, after in enumerate(followed):
                before = found[index]
                if before is not None:
                    learned.meet(before, after)
                    learned.meeting |= {node} if bool(((before != NONE) & (after != NONE)).any()) else set()
                found[index] = after if before is None else torch.where(before == NONE, after, before)
    return found


def followed_labels(
    learned: Labels, node: fx.Node, source: fx.Node, leaves: Leaves, spec: Any, place: int, labels: Tensor
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


def probes(count: int) -> list[Tensor]:
    """For each pass, which of the numbers below `count` to set to NaN: for every binary digit, those with 0, then with 1."""
    numbers, digits = torch.arange(count), max(1, math.ceil(math.log2(max(1, count))))
    return [(numbers >> digit) % 2 == bit for digit in range(digits) for bit in (0, 1)]


def decode_owners(tainted: list[Tensor]) -> Tensor | None:
    """The one number that each position follows (−1: none), from where NaNs came out in each pass of `probes`.

    None if a position follows several numbers.
    """
    code = torch.where(tainted[0] | tainted[1], 0, NONE)
    for digit, (zeros, ones) in enumerate(zip(tainted[::2], tainted[1::2], strict=True)):
        if bool((zeros & ones).any()):
            return None
        code = code + (ones.long() << digit)
    return code


def _at(present: Tensor, code: Tensor) -> Tensor:
    return torch.where(code == NONE, NONE, present[code.clamp(min=0)])


def _tainted(leaf: Any) -> Tensor:
    """Where a result is NaN; only floating-point tensors carry maps."""
    if isinstance(leaf, Tensor):
        return leaf.isnan() if leaf.is_floating_point() else torch.zeros(leaf.shape, dtype=torch.bool)
    return torch.zeros(0, dtype=torch.bool)


def _describe(learned: Labels, node: fx.Node) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(learned.model.get_submodule(str(node.target))).__name__})"
    name = getattr(node.target, "__name__", str(node.target))
    return f"{name} (operation {node})"
