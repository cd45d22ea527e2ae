"""How every value of a traced network holds the batch, so that single examples can be taken out of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

Values = dict[fx.Node, Any]


class Unreplayable(Exception):  # noqa: N818 (not an error: the engine then runs the whole network side by side)
    """Values of this network cannot be kept and used again; says why."""


@dataclass(frozen=True)
class Rows:
    """A tensor holds `per` rows for each example along `axis`, example-major."""

    axis: int
    per: int

    def take(self, value: Tensor, examples: Int[Tensor, " pair"]) -> Tensor:
        """The rows of these examples, in this order; an example may be asked for many times."""
        if self.per == 1:
            return value.index_select(self.axis, examples)
        folded = value.unflatten(self.axis, (-1, self.per)).index_select(self.axis, examples)
        return folded.flatten(self.axis, self.axis + 1)


@dataclass(frozen=True)
class Layout:
    """For each operation, how its results hold the batch (None: they do not); and whose results are numbers that count it."""

    rows: dict[fx.Node, list[Rows | None]]
    counts: set[fx.Node]

    def expand(self, node: fx.Node, value: Any, examples: Int[Tensor, " pair"]) -> Any:
        """A kept result with the rows of these examples."""
        leaves, spec = tree.tree_flatten(value)
        grown = [
            leaf if rows is None else rows.take(leaf, examples) for leaf, rows in zip(leaves, self.rows[node], strict=True)
        ]
        return tree.tree_unflatten(grown, spec)


def learn_layout(run: Callable[[Tensor], Values], inputs: Tensor) -> Layout:
    """Compares passes with two examples, the same two in reverse, and three; they are one example at three strengths."""
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
