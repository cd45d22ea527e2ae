"""Minibatches, for projects that never look at a single example; their size is fixed here, whatever `--batch` is."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

MINIBATCH = 32  # consecutive examples; the last minibatch holds the rest


def rows_of_minibatches(rows: Sequence[int]) -> list[Sequence[int]]:
    """The rows of each minibatch, in their order."""
    return [rows[first : first + MINIBATCH] for first in range(0, len(rows), MINIBATCH)]


def means(values: Float[Tensor, "example map"]) -> Float[Tensor, "minibatch map"]:
    """Means over the examples of each minibatch."""
    return torch.stack([part.mean(0) for part in values.split(MINIBATCH)])
