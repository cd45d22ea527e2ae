"""The labels of numbers in a network: which map each comes from, which maps are one, and which are left out."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.tracing import OWN_GATES

Leaves = list[Any]


@dataclass
class MapLabels:
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
                f"{self.describe(node)} writes into a value that it was given: let it return a new one, or {OWN_GATES}"
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

    def describe(self, node: fx.Node) -> str:
        """An operation in messages: its name, and what kind of layer or function it is."""
        if node.op == "call_module":
            return f"{node.target} ({type(self.model.get_submodule(str(node.target))).__name__})"
        name = getattr(node.target, "__name__", str(node.target))
        return f"{name} (operation {node})"


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
