"""The labels of numbers in a network: which map each comes from, which maps are one, and which are left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.tracing import OWN_GATES

SEVERAL = -2  # in place of a label: numbers of several maps


@dataclass
class MapLabels:
    """What `follow_maps` learns: the label of every number, which labels are one map, and which maps are left out."""

    model: fx.GraphModule
    interpreter: fx.Interpreter
    values: dict[fx.Node, Any] = field(default_factory=dict)
    labels: dict[fx.Node, list[Tensor | None]] = field(default_factory=dict)  # of each tensor or number of a result
    parent: list[int] = field(default_factory=list)  # union-find over labels
    made: dict[str, list[int]] = field(default_factory=dict)  # convolution -> label of each output channel
    spoiled: dict[int, str] = field(default_factory=dict)  # label -> why it is left out
    meeting: set[fx.Node] = field(default_factory=set)  # operations in which maps of two inputs meet in one number
    table: Tensor = field(default_factory=lambda: torch.tensor([NONE]))  # the root of every label; the last is that of NONE

    def root(self, label: int) -> int:
        """The label that stands for all labels joined with this one."""
        while self.parent[label] != label:
            self.parent[label] = self.parent[self.parent[label]]
            label = self.parent[label]
        return label

    def roots(self, labels: Tensor) -> Tensor:
        """The labels with each replaced by its root; NONE stays."""
        return self.table[labels]

    def join(self, labels: Iterable[int]) -> None:
        """Makes one map of all these labels, of which NONE does not count."""
        together = sorted({self.root(label) for label in labels if label != NONE})
        for label in together[1:]:
            self.parent[label] = together[0]
            self.table[self.table == label] = together[0]

    def pairs(self, first: Tensor, second: Tensor) -> list[tuple[int, int]]:
        """Which maps of two tensors lie at the same position, each pair once."""
        both = (first != NONE) & (second != NONE)
        codes = self.roots(first[both]) * len(self.parent) + self.roots(second[both])
        return [divmod(code, len(self.parent)) for code in codes.unique().tolist()]

    def fresh(self, count: int) -> list[int]:
        """Makes `count` new labels."""
        first = len(self.parent)
        self.parent += range(first, first + count)
        self.table = torch.cat([self.table[:-1], torch.arange(first, first + count), self.table[-1:]])
        return self.parent[first:]

    def present(self, labels: Tensor | None) -> list[int]:
        """The maps among these labels, each by its root."""
        if labels is None:
            return []
        found = torch.zeros(len(self.parent) + 1, dtype=torch.bool)  # linear in the size, where sorting takes long
        found[self.roots(labels).flatten()] = True
        return found[:-1].nonzero()[:, 0].tolist()

    def spoil(self, labels: Tensor | Iterable[int] | None, reason: str) -> None:
        """Marks the maps of these labels to be left out, with the reason."""
        for label in self.present(labels) if labels is None or isinstance(labels, Tensor) else labels:
            if label != NONE:
                self.spoiled.setdefault(label, reason)

    def lines(self, labels: Tensor, axis: int) -> Tensor:
        """For each index along an axis the map that lies there: NONE where there is none, SEVERAL where there are several."""
        rooted = self.roots(labels).movedim(axis, 0).flatten(1)
        if not rooted.shape[1]:
            return torch.full((len(rooted),), NONE)
        high = rooted.max(1).values
        low = rooted.masked_fill(rooted == NONE, len(self.parent)).min(1).values
        return torch.where((high != NONE) & (low != high), SEVERAL, high)

    def axis_of(self, labels: Tensor | None) -> int | None:
        """The axis along which each index holds no more than one map; None if there is none."""
        if labels is None or not labels.ndim:
            return None
        axes = [*range(1, labels.ndim), 0]
        return next((axis for axis in axes if bool((self.lines(labels, axis) != SEVERAL).all())), None)

    def run(self, node: fx.Node, replaced: dict[fx.Node, Any] | None = None) -> Any:
        """An operation's result on the recorded inputs, of which `replaced` may replace some."""
        known = replaced or {}
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs), lambda source: known[source] if source in known else self.values[source]
        )
        with torch.no_grad():
            return getattr(self.interpreter, node.op)(node.target, args, kwargs)

    def record(self, node: fx.Node) -> None:
        """Records an operation's result; BadInput if it writes into one of its inputs, of which it gets copies."""
        copied = {source: tree.tree_map_only(Tensor, Tensor.clone, self.values[source]) for source in node.all_input_nodes}
        tensors = [leaf for leaf in tree.tree_leaves(copied) if isinstance(leaf, Tensor)]
        versions = [leaf._version for leaf in tensors]
        self.values[node] = self.run(node, copied)
        if versions != [leaf._version for leaf in tensors]:
            raise BadInput(
                f"{self.describe(node)} writes into a value that it was given: let it return a new one, or {OWN_GATES}"
            )

    def describe(self, node: fx.Node) -> str:
        """An operation in messages: its name, and what kind of layer or function it is."""
        if node.op == "call_module":
            return f"{node.target} ({type(self.model.get_submodule(str(node.target))).__name__})"
        name = getattr(node.target, "__name__", str(node.target))
        return f"{name} (operation {node})"
