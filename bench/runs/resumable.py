"""A file that holds the state of long work: saved now and then, and used again only by work with exactly the same setting.

A digest of the setting is part of the file's name, so that states of several settings of one result lie side by side.
"""

import glob
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs

SECONDS = 20.0  # least time between two saves; the work decides at which points it can be saved


class ResumableFile:
    """The file of a state, beside the result `out`; `setting` is everything that could change the result of the work."""

    def __init__(self, out: Path, kind: str, setting: dict[str, Any], seconds: float = SECONDS) -> None:
        digest = hashlib.sha256(json.dumps(setting, sort_keys=True, default=str).encode()).hexdigest()
        self.path = out.with_suffix(f".{digest[:8]}.state")
        self.others = f"{glob.escape(out.stem)}.{'[0-9a-f]' * 8}.state"
        self.kind, self.setting, self.seconds, self.last = kind, setting, seconds, time.monotonic()

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
        for path in sorted(self.path.parent.glob(self.others)):
            if path != self.path:
                print(f"{path} is of other settings or another version: it is kept, and not used")
        runs.check_writable(self.path, runs.run_file(self.kind))
        file = runs.load(self.path, self.kind) if self.path.exists() else None
        return file if file and file.facts.get("setting") == self.setting else None


def by_first_part(arrays: runs.Arrays, names: tuple[str, ...]) -> dict[str, runs.Arrays]:
    """Groups arrays whose names are `part/rest`: for each part in `names`, its arrays by `rest`."""
    found: dict[str, runs.Arrays] = {name: {} for name in names}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        if part in found:
            found[part][rest] = array
    return found
