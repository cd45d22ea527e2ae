"""Examples that are decoded from files: several at once, and kept while there is room, for an oracle reads them often."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

ROOM = 2**30  # bytes a data set keeps


class DecodedCache:
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


class Decoded(Dataset[tuple[Tensor, Tensor]]):
    """Examples with their labels, as a network sees them: `make` decodes one by its index, `normalise` makes numbers of it."""

    def __init__(
        self,
        labels: Sequence[int],
        make: Callable[[int], UInt8[Tensor, "..."]],
        normalise: Callable[[Tensor], Float[Tensor, "..."]],
    ) -> None:
        self.labels, self.kept, self.normalise = list(labels), DecodedCache(make), normalise

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "..."], Tensor]:
        return self.normalise(self.kept[index]), torch.tensor(self.labels[index])

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Several at once, as torch's DataLoader asks for them; decoding leaves Python's lock, so threads help."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return list(pool.map(self.__getitem__, indices))
