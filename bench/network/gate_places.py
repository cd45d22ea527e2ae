"""Where the gates of a map stand: as far back from the layers that read it as zeros stay zeros, but behind its activation."""

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, fx

from pruning_oracle.bench.network.coupling import SEVERAL, MapLabels
from pruning_oracle.bench.network.nan_probes import NONE

Places = dict[int, list[fx.Node]]  # map -> the nodes behind which it is removed


class GatePlaces:
    """Finds the nodes behind which gates remove each map; what it learns of an operation is kept for the next map."""

    def __init__(self, learned: MapLabels) -> None:
        self.learned = learned
        self.held: dict[fx.Node, set[int]] = {}
        self.movable: dict[fx.Node, set[int]] = {}
        self.rows: dict[fx.Node, Tensor] = {}
        self.reasons: dict[fx.Node, str | None] = {}

    def find(self, read: list[fx.Node]) -> Places:
        """The places of every map that these nodes' values bring to a layer that mixes maps."""
        places: Places = defaultdict(list)
        for node in dict.fromkeys(read):
            for label in sorted(self._present(node)):
                places[label] += [place for place in self._place(node, label) if place not in places[label]]
        return places

    def unfit(self, node: fx.Node) -> str | None:
        """Why no gate can stand behind a node; None if one can."""
        if node not in self.reasons:
            self.reasons[node] = self._unfit(node)
        return self.reasons[node]

    def _unfit(self, node: fx.Node) -> str | None:
        plain = isinstance(self.learned.values[node], Tensor)
        if not plain or self.learned.axis_of(self.learned.labels[node][0]) in {None, 0}:
            return f"its channels lie along no one axis behind {node}"
        if not self._example_major(node):
            return f"the examples do not follow one another along the first axis behind {node}"
        return None

    def _present(self, node: fx.Node) -> set[int]:
        """The maps in a node's output, each by its root label."""
        if node not in self.held:
            self.held[node] = {label for leaf in self.learned.labels[node] for label in self.learned.present(leaf)}
        return self.held[node]

    def _place(self, node: fx.Node, label: int) -> list[fx.Node]:
        if label not in self._movable(node):
            return [node]
        holders = [source for source in node.all_input_nodes if label in self._present(source)]
        places = [place for source in holders for place in self._place(source, label)]
        return [node] if any(map(self.unfit, places)) and not self.unfit(node) else places

    def _movable(self, node: fx.Node) -> set[int]:
        """The maps that can equally be removed before an operation, since it keeps their zeros and only pools or rearranges."""
        if node not in self.movable:
            learned = self.learned
            sources = [source for source in node.all_input_nodes if self._present(source)]
            labels = learned.labels[node][0]
            made = not sources or str(node.target) in learned.made or node in learned.meeting
            plain = all(isinstance(learned.values[source], Tensor) for source in (node, *sources))
            movable: set[int] = set()
            if not made and plain and labels is not None and not (len(sources) == 1 and self._elementwise(node, sources[0])):
                movable = self._present(node) - self._filled(node, sources, labels)
            self.movable[node] = movable
        return self.movable[node]

    def _filled(self, node: fx.Node, sources: list[fx.Node], labels: Tensor) -> set[int]:
        """The maps in whose channels an operation puts values other than zero when all it gets of any map is zeros."""
        learned = self.learned
        empty = {source: learned.values[source].masked_fill(learned.labels[source][0] != NONE, 0.0) for source in sources}
        after = learned.run(node, empty) != 0
        axis = learned.axis_of(labels)
        filled = set(learned.present(labels[after]))
        if axis is not None:  # also numbers of no map in its channel, which deletion deletes: its gate must cover them
            filled |= set(learned.lines(labels, axis)[after.movedim(axis, 0).flatten(1).any(1)].tolist()) - {NONE, SEVERAL}
        return filled

    def _elementwise(self, node: fx.Node, source: fx.Node) -> bool:
        """Whether an operation changes each number alone (an activation, a batch norm); changing nothing does not count."""
        before, after = self.learned.values[source], self.learned.values[node]
        if before.shape != after.shape or not before.is_floating_point():
            return False
        other = torch.randn(before.shape, generator=torch.Generator().manual_seed(0)).to(before.dtype)
        if torch.equal(self.learned.run(node, {source: other}), other):
            return False
        middle = tuple(size // 2 for size in before.shape)
        corner = tuple((size - 1) * (axis % 2) for axis, size in enumerate(before.shape))  # which exchanging axes moves
        return all(self._stays(node, source, place) for place in (middle, corner))

    def _stays(self, node: fx.Node, source: fx.Node, place: tuple[int, ...]) -> bool:
        """Whether one number of an operation's input reaches the same place of its output, and no other."""
        touched = self.learned.values[source].clone()
        touched[place] = math.nan
        hit = self.learned.run(node, {source: touched}).isnan()
        return int(hit.sum()) == 1 and bool(hit[place])

    def _example_major(self, node: fx.Node) -> bool:
        """Whether the first half of a node's output rows belongs to the first of the two examples, the rest to the second."""
        if not self.rows:
            self.rows = self._rows_of_first_example()
        rows = self.rows[node].flatten(1).any(1)
        return rows.tolist() == [True] * (len(rows) // 2) + [False] * (len(rows) // 2)

    def _rows_of_first_example(self) -> dict[fx.Node, Tensor]:
        """Where each value comes from the first of the two examples, seen by other numbers in that example."""
        values = dict[fx.Node, Any]()
        for node in self.learned.model.graph.nodes:
            if node.op == "placeholder":
                values[node] = self.learned.values[node].clone()
                values[node][0] = math.nan if values[node].is_floating_point() else values[node][0].flip(-1)
            elif node.op != "output":
                values[node] = self.learned.run(node, values)
        same = self.learned.values
        return {node: value.isnan() | (value != same[node]) for node, value in values.items() if isinstance(value, Tensor)}
