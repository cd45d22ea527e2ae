"""Decoded examples, kept while there is room: an oracle reads the same ones again and again."""

from collections.abc import Callable

from jaxtyping import UInt8
from torch import Tensor

ROOM = 2**30  # bytes a data set keeps


class Kept:
    """The tensors that a function makes of an index. The first that fit are kept: a cache of the last ones would never hit."""

    def __init__(self, make: Callable[[int], UInt8[Tensor, "..."]], room: int = ROOM) -> None:
        self.make, self.room = make, room
        self.held: dict[int, Tensor] = {}

    def __getitem__(self, index: int) -> UInt8[Tensor, "..."]:
        found = self.held.get(index)
        if found is None:
            found = self.make(index)
            if found.nbytes <= self.room:
                self.room -= found.nbytes
                self.held[index] = found
        return found
