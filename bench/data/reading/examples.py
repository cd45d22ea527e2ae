"""Examples, the protocol of every data set."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Examples(Protocol):
    """A data set: the number of its examples, and each example as a pair of input and label, by its index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...
