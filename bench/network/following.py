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
Run = Callable[[Any], Any]  # an operation's result for another value of one of its inputs


def followed_labels(run: Run, given: Any, place: int, labels: Tensor, before: Any) -> list[Tensor] | None:
    """For each output of an operation the label that every number follows, or None when one number follows several.

    `given` is the recorded value of the input, whose leaf at `place` has these labels; `before` is the recorded result. For
    every binary digit of the labels, the numbers where the digit is 0 are changed, then those where it is 1: a number that
    follows exactly one label changes in exactly one of the two.
    """
    leaves, spec = tree.tree_flatten(given)
    old = [_tensor(leaf) for leaf in tree.tree_leaves(before)]
    table = torch.zeros(int(labels.max()) + 2, dtype=torch.bool)  # by label; the last is that of NONE, −1
    present = table.index_fill(0, labels.flatten(), True)[:-1].nonzero()[:, 0]
    if not len(present):
        return [torch.full_like(leaf, NONE, dtype=torch.long) for leaf in old]

    def after(value: Any) -> list[Tensor]:
        return [
            _tensor(leaf)
            for leaf in tree.tree_leaves(run(tree.tree_unflatten([*leaves[:place], value, *leaves[place + 1 :]], spec)))
        ]

    nan = _floating(_tensor(leaves[place]))
    twins = [_twin(leaf, old) if nan else None for leaf in old]
    by_value = [twin is None and not (nan and _floating(leaf)) for leaf, twin in zip(old, twins, strict=True)]
    try:
        if any(by_value) and nan:  # sizes do not follow numbers, which one look at all of them shows
            moved = _moved(after, leaves[place], labels != NONE, old)
            by_value = [one and bool(two.any()) for one, two in zip(by_value, moved, strict=True)]
        tainted: list[list[Tensor]] = []
        for chosen in probes(len(present)):
            where = table.index_fill(0, present[chosen], True)[labels]
            found = [torch.zeros_like(leaf, dtype=torch.bool) for leaf in old]
            if nan:
                ours = after(_nans(leaves[place], where))
                found = [leaf.isnan() if _floating(leaf) else none for leaf, none in zip(ours, found, strict=True)]
            if any(by_value):
                moved = _moved(after, leaves[place], where, old)
                found = [two if which else one for which, one, two in zip(by_value, found, moved, strict=True)]
            tainted.append(found)
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):  # it cannot do with other numbers
        return None
    owners = [decode_owners(list(leaf)) for leaf in zip(*tainted, strict=True)]
    if any(owner is None for owner in owners):
        return None
    decoded = [torch.where(owner == NONE, NONE, present[owner.clamp(min=0)]) for owner in owners if owner is not None]
    return [decoded[place if twin is None else twin] for place, twin in enumerate(twins)]


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


def _nans(leaf: Any, where: Tensor) -> Any:
    return leaf.masked_fill(where, math.nan) if isinstance(leaf, Tensor) else math.nan if bool(where) else leaf


def _moved(after: Callable[[Any], list[Tensor]], leaf: Any, where: Tensor, old: list[Tensor]) -> list[Tensor]:
    """Where the results differ from the `old` ones in any of a few runs with other values at `where`."""
    moved = [torch.zeros_like(one, dtype=torch.bool) for one in old]
    generator = torch.Generator().manual_seed(0)
    for _ in range(DRAWS):
        new = after(_other_values(leaf, where, generator))
        moved = [found | (two != one) for found, one, two in zip(moved, old, new, strict=True)]
    return moved


def _other_values(leaf: Any, where: Tensor, generator: torch.Generator) -> Any:
    """A value with other numbers at `where`: random ones, or for integers others of its own, so that indices stay valid."""
    value = _tensor(leaf)
    if _floating(value):
        other = (torch.randn(value.shape, generator=generator) * 10 * (1 + value.abs().max())).to(value.dtype)
    elif value.dtype == torch.bool:
        other = torch.rand(value.shape, generator=generator) < 0.5
    else:
        other = value.flatten()[torch.randint(value.numel(), value.shape, generator=generator)]
        other = other if value.numel() > 1 else value + 1
    mixed = torch.where(where, other, value)
    return mixed if isinstance(leaf, Tensor) else mixed.item()
