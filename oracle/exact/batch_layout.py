"""How each value of a traced network is laid out over the batch, so that single examples can be taken out of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

Values = dict[fx.Node, Any]


class Unreplayable(Exception):  # noqa: N818 (not an error: the engine then runs the whole network side by side)
    """Raised where a network's values cannot be kept and used again; the message says why."""


@dataclass(frozen=True)
class Rows:
    """The layout of a tensor that holds `per` consecutive rows for each example along `axis`."""

    axis: int
    per: int

    def take(self, value: Tensor, examples: Int[Tensor, " pair"]) -> Tensor:
        """The rows of `value` that belong to these examples, in this order; an example may occur many times."""
        if self.per == 1:
            return value.index_select(self.axis, examples)
        folded = value.unflatten(self.axis, (-1, self.per)).index_select(self.axis, examples)
        return folded.flatten(self.axis, self.axis + 1)


@dataclass(frozen=True)
class Layout:
    """How the results of a network's operations are laid out over the batch.

    `rows` has an entry for each tensor or number of an operation's result; None if it does not hold the batch. `counts` are the
    operations whose results include numbers that depend on how many examples there are.
    """

    rows: dict[fx.Node, list[Rows | None]]
    counts: set[fx.Node]

    def expand(self, node: fx.Node, value: Any, examples: Int[Tensor, " pair"]) -> Any:
        """An operation's result for these examples, taken from its kept result `value`."""
        leaves, spec = tree.tree_flatten(value)
        grown = [
            leaf if rows is None else rows.take(leaf, examples) for leaf, rows in zip(leaves, self.rows[node], strict=True)
        ]
        return tree.tree_unflatten(grown, spec)


def learn_layout(run: Callable[[Tensor], Values], inputs: Tensor) -> Layout:
    """Learns the layout by comparing passes with two examples, with the same two in reverse, and with three.

    `run` gives the value of every operation. The examples are the first one of `inputs`, times 1, 0.5 and 0.25. Raises
    Unreplayable if a value does not hold the examples one after another along one axis.
    """
    strengths = torch.tensor([1.0, 0.5, 0.25], dtype=inputs.dtype, device=inputs.device)
    three = inputs[:1] * strengths.view(-1, *[1] * (inputs.ndim - 1))
    passes = [run(batch) for batch in (three[:2], three[:2].flip(0), three)]
    layout = Layout({}, set())
    for node in passes[0]:
        leaves = zip(*(tree.tree_leaves(values[node]) for values in passes), strict=True)
        layout.rows[node] = []
        for two, reverse, more in leaves:
            if not isinstance(two, Tensor):
                if two != more:
                    layout.counts.add(node)
                layout.rows[node].append(None)
            else:
                layout.rows[node].append(_rows(node, two, reverse, more))
    return layout


def _rows(node: fx.Node, two: Tensor, reverse: Tensor, more: Tensor) -> Rows | None:
    axes = [axis for axis, (a, b) in enumerate(zip(two.shape, more.shape, strict=True)) if a != b]
    if not axes and _same(two, more) and _same(two, reverse):
        return None
    if len(axes) == 1 and 3 * two.shape[axes[0]] == 2 * more.shape[axes[0]]:
        axis, per = axes[0], two.shape[axes[0]] // 2
        if _same(two.unflatten(axis, (2, per)).flip(axis).flatten(axis, axis + 1), reverse):
            return Rows(axis, per)
    raise Unreplayable(f"the values of {node} do not hold the examples one after another along one axis")


def _same(first: Tensor, second: Tensor) -> bool:
    if not first.is_floating_point():
        return torch.equal(first, second)
    return torch.allclose(first, second, rtol=1e-3, atol=1e-5, equal_nan=True)
