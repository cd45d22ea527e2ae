"""Fill: what stands in a removed map's place, and which other examples it is taken from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

ZERO, MEAN, RESAMPLE = "zero", "mean", "resample"
FILLS = (ZERO, MEAN, RESAMPLE)
EXAMPLES = 256  # others that a fill is taken from, where there are so many


@dataclass(frozen=True, eq=False)
class Fill:
    """What stands in a removed map's place: its mean over the training examples at `rows`, or the map of one of them.

    `means` has for each gate the number that stands in each channel, once that is measured. What is drawn is drawn by `seed`.
    """

    name: str
    rows: Sequence[int]
    seed: int
    means: dict[str, Tensor] = field(default_factory=dict)

    @property
    def samples(self) -> bool:
        """Whether maps of another example stand in."""
        return self.name == RESAMPLE

    def partner(self, row: int) -> int:
        """The row of the example whose maps stand in for those of the training example at `row`, whatever batch that is in."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(row))
        return self.rows[int(torch.randint(len(self.rows), (), generator=generator))]
