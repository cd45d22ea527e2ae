"""Examples: what any data set must be."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Examples(Protocol):
    """A data set: how many examples it has, and each one's input and label by its index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...
