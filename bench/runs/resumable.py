"""The state of long work as a file: written now and then, and found again only by work of the very same setting."""

import time
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs

SECONDS = 20.0  # of work between two savings, which come where the work says so


class ResumableFile:
    """A state's file; `setting` is all that could change what the work comes to."""

    def __init__(self, path: Path, kind: str, setting: dict[str, Any], seconds: float = SECONDS) -> None:
        self.path, self.kind, self.setting, self.seconds, self.last = path, kind, setting, seconds, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last saving is long ago."""
        return time.monotonic() - self.last >= self.seconds

    def save(self, arrays: runs.Arrays, facts: dict[str, Any]) -> None:
        """Writes a state, whole or not at all."""
        runs.save(self.path, self.kind, arrays, facts | {"setting": self.setting})
        self.last = time.monotonic()

    def found(self) -> runs.RunFile | None:
        """What was saved by work of the same setting."""
        if not self.path.is_file():
            return None
        file = runs.load(self.path, self.kind)
        if file.facts["setting"] != self.setting:
            print(f"{self.path} is of other settings or another version: it is not used")
            return None
        return file


def by_first_part(arrays: runs.Arrays, names: tuple[str, ...]) -> dict[str, runs.Arrays]:
    """Arrays by the first part of their names, `part/rest`: those parts, and by what follows it."""
    found: dict[str, runs.Arrays] = {name: {} for name in names}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        if part in found:
            found[part][rest] = array
    return found
