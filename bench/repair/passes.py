"""The passes that repairs make over a few training examples: which these are, and in what batches."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.memory import batch_size, default_memory

LEAST = 3  # examples


def spare_examples(case: Case, count: int, ranked: int) -> list[int]:
    """The rows of `count` training examples that a repair may see: none of those that a ranking by `ranked` examples draws.

    They are the last in the order, drawn by the case's seed, of which a ranking (`Case.split`) takes the first. BadInput if
    there are not so many.
    """
    size = len(case.train)
    if not LEAST <= count <= size - ranked:
        raise BadInput(
            f"--repair-examples is {count}; {case.name} has {size} training examples, {ranked} of which rank its maps:"
            f" allowed are {LEAST} to {size - ranked}"
        )
    return case.split(size - count, fresh=count)[1]


def other_examples(case: Case, count: int, measured: Collection[int]) -> list[int]:
    """The rows of `count` training examples that a repair may see: none of those that are `measured`, sorted.

    Of the others they are the last in the order that is drawn by the case's seed. BadInput if there are not so many.
    """
    seen = set(measured)
    size, left = len(case.train), len(case.train) - len(seen)
    if not LEAST <= count <= left:
        raise BadInput(
            f"--repair-examples is {count}; {case.name} has {size} training examples, {len(seen)} of which are measured:"
            f" allowed are {LEAST} to {left}"
        )
    order = torch.randperm(size, generator=torch.Generator().manual_seed(case.seed)).tolist()
    return sorted([row for row in order if row not in seen][-count:])


def batches_for(case: Case, rows: Sequence[int], held: int | None = None) -> Iterator[Batch]:
    """The training examples at `rows`, in batches of at most 128 and of nearly equal sizes, as memory (`held` bytes) allows."""
    most = batch_size(case, default_memory(case.device) if held is None else held)
    parts = min(-(-len(rows) // most), len(rows) // 2)  # a batch norm cannot normalise one example of one position
    # at once and not when the first batch is asked for: batch_size makes a pass, which a caller's hooks must not see
    chosen = [part.tolist() for part in np.array_split(np.array(rows), parts)]
    return (batch for part in chosen for batch in case.batches(case.train, part, len(part)))
