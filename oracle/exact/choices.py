"""The choices between ways to compute the same numbers, by arithmetic: two runs choose alike, so that their bits are the same.

Both rules follow from timings on a CPU. The linear step takes a few calls more for every map, and pays as soon as it saves more
products than these cost: on 13 networks at small sizes it took 0.09 to 1.1 times as long as whole operations. In which memory
format a network is faster depends on its layers and on the library's kernels.
"""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.exact.fold_batch_norms import LAST, PLAIN

ENTIRE = "whole network"  # the choice of a site that cannot be replayed
# products by which a layer must be computed faster for one (example, map) pair so that the linear step pays, by kind of device
WORTH = {"cpu": 2**13, "cuda": 2**23}


class Choices(dict[str, str]):
    """The names of the ways chosen, by question: `memory format`, or a site's name."""

    def follow(self, question: str, rule: str, ways: Collection[str]) -> str:
        """The way chosen before, else the one that the `rule` names; raises BadInput if that is not among `ways`."""
        chosen = self.setdefault(question, rule)
        if chosen not in ways:
            raise BadInput(f"{question}: {chosen!r} was chosen before, but the choice is now between {', '.join(ways)}")
        return chosen


def memory_format(device: torch.device, precision: str) -> str:
    """The memory format that convolutions are computed in: channels last where a library has kernels of its own for it."""
    fast = {"float32", "bfloat16"} if device.type == "cpu" else {"tf32", "bfloat16"}
    return LAST if precision in fast else PLAIN


def worth_a_linear_step(layer: nn.Module, output: Tensor, examples: int) -> bool:
    """Whether a layer whose kept output for so many examples is `output` computes enough that the linear step pays."""
    weight: Any = layer.weight
    positions = output.numel() // weight.shape[0]
    return positions * math.prod(weight.shape) >= WORTH.get(output.device.type, WORTH["cuda"]) * examples
