"""A file that holds the state of long work: saved now and then, and used again only by work with exactly the same setting."""

import time
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs

SECONDS = 20.0  # least time between two saves; the work decides at which points it can be saved


class ResumableFile:
    """The file of a state; `setting` is everything that could change the result of the work."""

    def __init__(self, path: Path, kind: str, setting: dict[str, Any], seconds: float = SECONDS) -> None:
        self.path, self.kind, self.setting, self.seconds, self.last = path, kind, setting, seconds, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save was at least `seconds` ago."""
        return time.monotonic() - self.last >= self.seconds

    def save(self, arrays: runs.Arrays, facts: dict[str, Any]) -> None:
        """Writes a state atomically."""
        runs.save(self.path, self.kind, arrays, facts | {"setting": self.setting})
        self.last = time.monotonic()

    def found(self) -> runs.RunFile | None:
        """The state that work with the same setting saved; None if there is none."""
        if not self.path.is_file():
            return None
        file = runs.load(self.path, self.kind)
        if file.facts["setting"] != self.setting:
            print(f"{self.path} is of other settings or another version: it is not used")
            return None
        return file


def by_first_part(arrays: runs.Arrays, names: tuple[str, ...]) -> dict[str, runs.Arrays]:
    """Groups arrays whose names are `part/rest`: for each part in `names`, its arrays by `rest`."""
    found: dict[str, runs.Arrays] = {name: {} for name in names}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        if part in found:
            found[part][rest] = array
    return found
