"""Examples that are decoded from files: several in parallel, and cached, since an oracle reads them many times."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from pruning_oracle.bench.data.reading.unreadable import quiet

ROOM = 2**30  # bytes of examples that a data set caches


class DecodedCache:
    """Caches the tensors that `make` gives for an index: the first ones that fit into `room` bytes.

    A cache of the latest ones would never hit, since examples are read in order, again and again.
    """

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
    """A data set of decoded examples and their labels.

    `make` decodes the example at an index to bytes, and `normalise` turns them into a network's input.
    """

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
        with quiet():
            return self._one(index)

    def _one(self, index: int) -> tuple[Float[Tensor, "..."], Tensor]:
        return self.normalise(self.kept[index]), torch.tensor(self.labels[index])

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Several examples at once, as torch's DataLoader asks for them; decoding releases Python's lock, so threads help."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool, quiet():
            return list(pool.map(self._one, indices))
