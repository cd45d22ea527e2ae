"""Numbers that are followed by NaNs: which are set together in each pass, and which number each place turns out to follow."""

import math

import torch
from torch import Tensor

NONE = -1  # the label of a number that comes from no map, or from maps already mixed


def probes(count: int) -> list[Tensor]:
    """For each pass, which of the numbers below `count` to set to NaN: for every binary digit, those with 0, then with 1."""
    numbers, digits = torch.arange(count), max(1, math.ceil(math.log2(max(1, count))))
    return [(numbers >> digit) % 2 == bit for digit in range(digits) for bit in (0, 1)]


def decode_owners(tainted: list[Tensor]) -> Tensor | None:
    """The one number that each position follows (−1: none), from where NaNs came out in each pass of `probes`.

    None if a position follows several numbers.
    """
    code = torch.where(tainted[0] | tainted[1], 0, NONE)
    for digit, (zeros, ones) in enumerate(zip(tainted[::2], tainted[1::2], strict=True)):
        if bool((zeros & ones).any()):
            return None
        code = code + (ones.long() << digit)
    return code
