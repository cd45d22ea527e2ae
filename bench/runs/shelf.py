"""A shelf of arrays by name: in main memory up to a limit, beyond it in a file without a name that goes with the process."""

import io
import math
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pruning_oracle.bench.errors import BadInput


class Shelf(Mapping[str, np.ndarray]):
    """Arrays by name, put together from parts along their first axis.

    Main memory holds up to `room` bytes of them; parts that come later lie in a file in `folder` (default: the system's own for
    temporary files). However the process ends, nothing of it is left.
    """

    def __init__(self, room: float = math.inf, folder: Path | None = None) -> None:
        self.room, self.folder = room, folder
        self.parts: dict[str, list[np.ndarray | tuple[int, np.dtype, tuple[int, ...]]]] = {}
        self.file: io.BufferedRandom | None = None

    def add(self, name: str, part: np.ndarray) -> None:
        """Adds a part to the array of that name; BadInput if the file cannot be written."""
        self.parts.setdefault(name, []).append(part if part.nbytes <= self.room else self._stored(part))
        self.room -= part.nbytes if part.nbytes <= self.room else 0

    def drop(self, unwanted: Callable[[str], bool]) -> None:
        """Takes the arrays away whose names are unwanted."""
        self.parts = {name: parts for name, parts in self.parts.items() if not unwanted(name)}

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of that name; one that lies in the file is read anew each time."""
        found = [part if isinstance(part, np.ndarray) else self._read(*part) for part in self.parts[name]]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def _stored(self, part: np.ndarray) -> tuple[int, np.dtype, tuple[int, ...]]:
        try:
            if self.file is None:
                if self.folder:
                    self.folder.mkdir(parents=True, exist_ok=True)
                self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 (it stays open as long as the shelf)
                weakref.finalize(self, self.file.close)
            start = self.file.seek(0, 2)
            self.file.write(np.ascontiguousarray(part).data)
            self.file.flush()
        except OSError as error:
            raise BadInput(f"cannot write to {self.folder or tempfile.gettempdir()}: {error.strerror}") from error
        return start, part.dtype, part.shape

    def _read(self, start: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        assert self.file is not None
        found = np.empty(shape, dtype)
        self.file.seek(start)
        self.file.readinto(found.data)
        return found
