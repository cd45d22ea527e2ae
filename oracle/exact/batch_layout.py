"""How each value of a traced network is laid out over the batch, so that single examples can be taken out of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

Values = dict[fx.Node, Any]
PART = 1 << 16  # numbers that are compared at a time
Step = Callable[[fx.Node, Mapping[fx.Node, Any]], Any]  # runs one operation on the given values of its inputs


class Unreplayable(Exception):  # noqa: N818 (not an error: the engine then runs the whole network side by side)
    """Raised where a network's values cannot be kept and used again; the message says why."""


@dataclass(frozen=True)
class Rows:
    """The layout of a tensor that holds `per` consecutive rows for each example along `axis`."""

    axis: int
    per: int

    def take(self, value: Tensor, examples: Int[Tensor, " pair"]) -> Tensor:
        """The rows of `value` that belong to these examples, in this order and in its memory format; examples may recur."""
        folded = value if self.per == 1 else value.unflatten(self.axis, (-1, self.per))
        taken = folded.movedim(self.axis, 0)[examples].movedim(0, self.axis)
        return taken if self.per == 1 else taken.flatten(self.axis, self.axis + 1)

    def shape(self, value: Tensor, examples: int) -> list[int]:
        """The shape that `value` has with so many examples."""
        return [self.per * examples if axis == self.axis else size for axis, size in enumerate(value.shape)]


@dataclass
class Layout:
    """How the results of a network's operations are laid out over the batch.

    `rows` has a list for each operation whose kept result can be taken apart by examples, with an entry for each tensor or
    other value in it; None if that does not depend on the examples. Operations that are not in `rows` run again where their
    results are needed. `counters` give numbers that depend on how many examples there are but not on what they hold, such as
    `x.size()`.
    """

    rows: dict[fx.Node, list[Rows | None]] = field(default_factory=dict)
    counters: set[fx.Node] = field(default_factory=set)

    def expand(self, node: fx.Node, value: Any, examples: Int[Tensor, " pair"]) -> Any:
        """An operation's result for these examples, taken from its kept result `value`."""
        return self._each(node, value, lambda rows, leaf: rows.take(leaf, examples))

    def stand_in(self, node: fx.Node, value: Any, examples: int) -> Any:
        """What has the shape of an operation's result for so many examples, at no cost; the numbers in it mean nothing."""
        return self._each(node, value, lambda rows, leaf: leaf.narrow(rows.axis, 0, 1).expand(rows.shape(leaf, examples)))

    def fits(self, node: fx.Node, value: Any, examples: int) -> bool:
        """Whether an operation's result for so many examples has the layout that was learned; true if none was."""
        pairs = zip(tree.tree_leaves(value), self.rows.get(node, []), strict=node in self.rows)
        return all(rows is None or list(leaf.shape) == rows.shape(leaf, examples) for leaf, rows in pairs)

    def _each(self, node: fx.Node, value: Any, change: Callable[[Rows, Tensor], Tensor]) -> Any:
        leaves, spec = tree.tree_flatten(value)
        changed = [leaf if rows is None else change(rows, leaf) for leaf, rows in zip(leaves, self.rows[node], strict=True)]
        return tree.tree_unflatten(changed, spec)


def learn_layout(nodes: list[fx.Node], step: Step, inputs: Tensor) -> Layout:
    """Learns the layout of the operations `nodes` from passes with two examples, the same two reversed, three, and one.

    `step` gives the value of a single operation. The three are thrice the same example, so that a number which depends on
    several examples shows. The passes go on side by side, so that of eight examples only those values are held that are still
    read.
    """
    examples, layout = _three(inputs), Layout()
    batches = [examples[rows] for rows in ([0, 1], [1, 0], [2, 2, 2], [2])]
    passes: list[Values] = [{} for _ in batches]
    last = {source: node for node in nodes for source in node.all_input_nodes}
    for node in nodes:
        for values, batch in zip(passes, batches, strict=True):
            values[node] = batch if node.op == "placeholder" else step(node, values)
        _learn(layout, node, passes, step)
        for source in [node, *node.all_input_nodes]:
            if last.get(source, node) is node:
                for values in passes:
                    del values[source]
    return layout


def _learn(layout: Layout, node: fx.Node, passes: list[Values], step: Step) -> None:
    """Enters an operation in the layout, if it has one, by its values and those of its inputs in the four passes."""
    results = [values[node] for values in passes]
    data = [source for source in node.all_input_nodes if _holds_tensors(passes[0][source])]
    if node.op == "placeholder":
        layout.rows[node] = [Rows(0, 1)]
    elif not data and any(source not in layout.rows for source in node.all_input_nodes):
        return  # made of numbers alone, some of which depend on how many examples there are
    elif (rows := _learned(results)) is not None:
        layout.rows[node] = rows
    elif not _holds_tensors(results[0]) and _counts(layout, node, passes, step):
        layout.counters.add(node)


def _three(inputs: Tensor) -> Tensor:
    """Three examples that differ: the batch's own where it has so many, and of different strengths."""
    rows = inputs[[0, 1, 2] if len(inputs) >= 3 else [0, 0, 0]]
    if rows.is_floating_point():
        strengths = torch.tensor([1.0, 0.5, 0.25], dtype=rows.dtype, device=rows.device)
        return rows * strengths.view(-1, *[1] * (rows.ndim - 1))
    return torch.stack([rows[0], rows[1].flip(-1), rows[2].roll(1, -1)])


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in tree.tree_leaves(value))


def _learned(results: list[Any]) -> list[Rows | None] | None:
    """The layout of every tensor or other value in an operation's results of the four passes; None if one has none."""
    leaves, specs = zip(*(tree.tree_flatten(result) for result in results), strict=True)
    if any(spec != specs[0] for spec in specs):
        return None
    found: list[Rows | None] = []
    for each in zip(*leaves, strict=True):
        if all(_same(each[0], other) for other in each[1:]):
            found.append(None)
        elif rows := _rows(*each):
            found.append(rows)
        else:
            return None
    return found


def _rows(two: Any, reverse: Any, three: Any, one: Any) -> Rows | None:
    if not all(isinstance(value, Tensor) and value.ndim == two.ndim for value in (two, reverse, three, one)):
        return None
    axes = [axis for axis, (a, b) in enumerate(zip(two.shape, three.shape, strict=True)) if a != b]
    if len(axes) != 1:
        return None
    rows = Rows(axes[0], one.shape[axes[0]])
    fits = all(list(value.shape) == rows.shape(one, count) for value, count in ((two, 2), (reverse, 2), (three, 3)))
    return rows if rows.per and fits and _same(rows.take(two, torch.tensor([1, 0], device=two.device)), reverse) else None


def _same(first: Any, second: Any) -> bool:
    if not isinstance(first, Tensor) or not isinstance(second, Tensor):
        return type(first) is type(second) and _equal(first, second)
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if not first.is_floating_point():
        return torch.equal(first, second)
    parts = zip(first.flatten().split(PART), second.flatten().split(PART), strict=True)  # comparing makes copies
    return all(torch.allclose(*both, rtol=1e-3, atol=1e-5, equal_nan=True) for both in parts)


def _equal(first: Any, second: Any) -> bool:
    try:
        return bool(first == second)
    except Exception:  # objects of users' classes, which may hold tensors, compare as they like
        return False


def _counts(layout: Layout, node: fx.Node, passes: list[Values], step: Step) -> bool:
    """Whether an operation's numbers follow from the shapes of its inputs alone: stand-ins of other passes give the same."""
    if any(source not in layout.rows for source in node.all_input_nodes):
        return False
    two, _, three, one = passes
    for seen, expected, count in ((two, three, 3), (three, two, 2), (three, one, 1), (one, three, 3)):
        inputs = {source: layout.stand_in(source, seen[source], count) for source in node.all_input_nodes}
        if not _equal(step(node, inputs), expected[node]):
            return False
    return True
