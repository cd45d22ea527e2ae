"""The proof that a site can be replayed: on a few pairs, the replay gives what the whole network gives."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils import _pytree as tree

PAIRS = 4  # of each site, for which the whole network runs as well
# relative to the largest number compared, or to 1; coarse precisions round differently in every order of operations
TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "tf32": 0.05, "bfloat16": 0.3}


def some(pairs: int, most: int) -> Int[Tensor, " index"]:
    """The places of a few of so many pairs, at most `most` of them: the first two, one in the middle and the last."""
    places = sorted({0, min(1, pairs - 1), pairs // 2, pairs - 1})
    return torch.tensor(places[: max(1, min(PAIRS, most))])


def differ(found: Any, expected: Any, precision: str) -> bool:
    """Whether two outputs of a network, of any structure, are more than rounding apart."""
    leaves, other = tree.tree_leaves(found), tree.tree_leaves(expected)
    pairs = [(a, b) for a, b in zip(leaves, other, strict=True) if isinstance(b, Tensor) and b.is_floating_point()]
    return any(not _close(a, b, TOLERANCE[precision]) for a, b in pairs)


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    if found.shape != expected.shape:
        return False
    if not expected.numel():
        return True
    scale = max(1.0, float(expected.abs().nan_to_num(0, 0, 0).max()))
    return torch.allclose(found, expected, rtol=0, atol=tolerance * scale, equal_nan=True)
