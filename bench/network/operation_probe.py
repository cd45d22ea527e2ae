"""What each output of an operation follows: the operation is run again with the numbers of some maps changed.

Floating-point numbers are set to NaN, and so is every floating-point result computed from them. Integers, booleans and sizes
cannot be NaN: whether they follow a map, or a result follows them, shows when other values are put in place of the old ones.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.nan_probes import NONE, decode_owners, probes

DRAWS = 4  # runs with other values: one could by chance leave an index or a comparison as it is
SAFE = 2  # of these, those whose integers have been seen; the others are one more and one less, which may be out of range
MOST = 1 << 28  # numbers that may be computed to find which maps an operation mixes
Run = Callable[[Any], Any]  # an operation's result for another value of one of its inputs


class OperationProbe:
    """An operation whose input has labelled numbers, and which of its outputs follow which.

    `run` gives the result for another value of that input, whose recorded value is `given`; its leaf at `place` has the
    `labels`. `before` is the recorded result.
    """

    def __init__(self, run: Run, given: Any, place: int, labels: Tensor, before: Any) -> None:
        self.run, self.place, self.labels = run, place, labels
        self.leaves, self.spec = tree.tree_flatten(given)
        self.old = [_tensor(leaf) for leaf in tree.tree_leaves(before)]
        self.table = torch.zeros(int(labels.max()) + 2, dtype=torch.bool)  # by label; the last is that of NONE, −1
        self.present = self.table.index_fill(0, labels.flatten(), True)[:-1].nonzero()[:, 0]
        self.nan = _floating(_tensor(self.leaves[place]))
        self.twins = [_twin(leaf, self.old) if self.nan else None for leaf in self.old]
        self.by_value = [
            twin is None and not (self.nan and _floating(leaf)) for leaf, twin in zip(self.old, self.twins, strict=True)
        ]
        self.draws = [draw for draw in range(DRAWS) if self._takes(draw)] if any(self.by_value) else []
        if any(self.by_value) and self.nan:  # sizes do not follow numbers, which one look at all of them shows
            moved = self._moved(labels != NONE)
            self.by_value = [one and bool(two.any()) for one, two in zip(self.by_value, moved, strict=True)]

    def single(self) -> list[Tensor] | None:
        """For each output the label that every number follows (NONE: none), or None when one number follows several.

        For every binary digit of the labels, the numbers where the digit is 0 are changed, then those where it is 1: a number
        that follows exactly one label changes in exactly one of the two.
        """
        tainted = [self._tainted(self.present[chosen]) for chosen in probes(len(self.present))]
        owners = [decode_owners(list(leaf)) for leaf in zip(*tainted, strict=True)]
        if any(owner is None for owner in owners):
            return None
        decoded = [torch.where(owner == NONE, NONE, self.present[owner.clamp(min=0)]) for owner in owners if owner is not None]
        return [decoded[place if twin is None else twin] for place, twin in enumerate(self.twins)]

    def groups(self) -> list[list[int]] | None:
        """The labels that mix with one another, of which no number outside a group follows any.

        None if all of them mix, or if it would take long to find out.
        """
        size = sum(leaf.numel() for leaf in self.old)
        if size * len(self.present) > MOST or len(self.present) < 2:
            return None
        group = list(range(len(self.present)))
        holder = torch.full((size,), NONE)  # of each number, the first label that it follows
        for index, label in enumerate(self.present):
            where = torch.cat([leaf.flatten() for leaf in self._tainted(label[None])])
            if bool(where.all()):
                return None
            others = {group[other] for other in holder[where].unique().tolist() if other != NONE}
            group = [index if one in others else one for one in group]
            holder[where & (holder == NONE)] = index
            if len(set(group[: index + 1])) == 1 and bool((holder != NONE).all()):
                return None
        members = [
            [label for label, one in zip(self.present.tolist(), group, strict=True) if one == which] for which in set(group)
        ]
        return members if len(members) > 1 else None

    def _tainted(self, chosen: Tensor) -> list[Tensor]:
        """Where the outputs follow one of the chosen labels."""
        where = self.table.index_fill(0, chosen, True)[self.labels]
        found = [torch.zeros_like(leaf, dtype=torch.bool) for leaf in self.old]
        if self.nan:
            leaf = self.leaves[self.place]
            nans = leaf.masked_fill(where, math.nan) if isinstance(leaf, Tensor) else math.nan if bool(where) else leaf
            found = [one.isnan() if _floating(one) else none for one, none in zip(self._after(nans), found, strict=True)]
        if any(self.by_value):
            found = [two if which else one for which, one, two in zip(self.by_value, found, self._moved(where), strict=True)]
        return found

    def _after(self, value: Any) -> list[Tensor]:
        changed = tree.tree_unflatten([*self.leaves[: self.place], value, *self.leaves[self.place + 1 :]], self.spec)
        return [_tensor(leaf) for leaf in tree.tree_leaves(self.run(changed))]

    def _takes(self, draw: int) -> bool:
        """Whether the operation takes other values in all of its labelled numbers: the same draws must serve any of them."""
        try:
            self._after(_other_values(self.leaves[self.place], self.labels != NONE, draw))
        except (RuntimeError, IndexError):
            return False
        return True

    def _moved(self, where: Tensor) -> list[Tensor]:
        """Where the results differ from the recorded ones in any of a few runs with other values at `where`.

        Each run puts the same value into a number whichever others change with it, so that what follows one label differs in
        every run in which that label changes, or in none.
        """
        moved = [torch.zeros_like(one, dtype=torch.bool) for one in self.old]
        for draw in self.draws:
            new = self._after(_other_values(self.leaves[self.place], where, draw))
            moved = [found | (two != one) for found, one, two in zip(moved, self.old, new, strict=True)]
        return moved


def _tensor(leaf: Any) -> Tensor:
    """A result as a tensor; empty if it holds no numbers."""
    if isinstance(leaf, Tensor):
        return leaf
    return torch.tensor(leaf) if isinstance(leaf, (bool, int, float)) else torch.zeros(0)


def _floating(leaf: Tensor) -> bool:
    return leaf.is_floating_point() or leaf.is_complex()


def _twin(leaf: Tensor, outputs: list[Tensor]) -> int | None:
    """The floating-point output whose places an integer output names (the indices of a maximum), which has its shape."""
    if _floating(leaf) or not leaf.ndim:
        return None
    return next((place for place, other in enumerate(outputs) if _floating(other) and other.shape == leaf.shape), None)


def _other_values(leaf: Any, where: Tensor, draw: int) -> Any:
    """A value with other numbers at `where`: random ones; for integers others of its own, so that indices stay valid, or ±1."""
    value, generator = _tensor(leaf), torch.Generator().manual_seed(draw)
    if _floating(value):
        other = (torch.randn(value.shape, generator=generator) * 10 * (1 + value.abs().max())).to(value.dtype)
    elif value.dtype == torch.bool:
        other = ~value if draw == 0 else torch.rand(value.shape, generator=generator) < 0.5
    elif draw < SAFE:
        other = value.flatten()[torch.randint(value.numel(), value.shape, generator=generator)]
    else:
        other = value + (1 if draw == SAFE else -1)
    mixed = torch.where(where, other, value)
    return mixed if isinstance(leaf, Tensor) else mixed.item()
