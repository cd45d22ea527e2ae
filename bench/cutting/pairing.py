"""Finds which map alone the numbers of an operand reach, by setting some of them to NaN and looking where NaNs come out."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from pruning_oracle.bench.cutting.wiring import Claims, along, shortened
from pruning_oracle.bench.network.nan_probes import NONE, decode_owners, probes

FEW = 2**18  # numbers of an operand that are told apart one by one; of more, only the places along each axis
UNREACHED = 2**40


def paired(run: Callable[[Tensor], Any], value: Tensor, owned: list[Tensor | None]) -> Claims:
    """The claim on `value` by what its numbers reach: those that reach numbers of one map only are that map's.

    `run` gives an operation's result for other values of the tensor, `owned` the map of every number of that result. Numbers
    are told apart one by one, or, if the operation mixes them, by their places along each axis.
    """
    every = [torch.arange(value.numel()).view(value.shape)] if value.numel() <= FEW else []
    for axis in range(value.ndim):
        if value.shape[axis] > 1:
            every.append(along(torch.arange(value.shape[axis]), axis, value.ndim))
    for numbers in every:
        owner = _owner_of_each(run, value, numbers, owned)
        if owner is not None and bool((owner != NONE).any()):
            return [shortened(owner[numbers].expand(value.shape))]
    return []


def _owner_of_each(run: Callable[[Tensor], Any], value: Tensor, numbers: Tensor, owned: list[Tensor | None]) -> Tensor | None:
    """The map that alone each number reaches, or NONE; None where something in the result depends on several numbers."""
    count = int(numbers.max()) + 1
    tainted: list[list[Tensor]] = []
    for chosen in probes(count):
        leaves = tree.tree_leaves(run(value.masked_fill(chosen[numbers], math.nan)))
        tainted.append([leaf.isnan() if isinstance(leaf, Tensor) else torch.zeros(0, dtype=torch.bool) for leaf in leaves])
    low, high = torch.full((count,), UNREACHED), torch.full((count,), NONE)
    for place, owners in enumerate(owned):
        if owners is None:
            continue
        code = decode_owners([leaves[place] for leaves in tainted])
        if code is None:
            return None
        met = code != NONE
        low.scatter_reduce_(0, code[met], owners[met], "amin")
        high.scatter_reduce_(0, code[met], owners[met], "amax")
    return torch.where(low == high, high, NONE)
