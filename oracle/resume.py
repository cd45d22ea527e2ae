"""What was measured so far, one file per site and block of examples, so that a run killed at any instant goes on.

The files of one setting lie in a folder named after all that could change a number, so that no other setting finds them.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.exact.timed_choices import TimedChoices

log = logging.getLogger("oracle")


class Units:
    """The units of one setting, under the folder of the file they are for; use inside `hold`."""

    def __init__(self, out: Path, setting: dict[str, Any]) -> None:
        self.root = out.with_suffix(".units")
        self.setting = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
        self.folder = self.root / self.setting[:16]
        self.choices = TimedChoices()  # what the engine chose: every unit remembers it

    @contextmanager
    def hold(self) -> "Iterator[Units]":
        """Keeps other processes from the same file, and forgets the units once all went well; without any leaves nothing."""
        made = [parent for parent in self.root.parents if not parent.exists()]
        handle = self._lock()
        try:
            for path in sorted(self.folder.glob("*.safetensors")):
                if kept := self._read(path):
                    self.choices |= kept.facts["choices"]
            yield self
            shutil.rmtree(self.root, ignore_errors=True)
        except BaseException:
            if not list(self.root.glob("*/*.safetensors")):
                shutil.rmtree(self.root, ignore_errors=True)
                for parent in made:
                    if not list(parent.iterdir()):
                        parent.rmdir()
            raise
        finally:
            os.close(handle)

    def get(self, name: str) -> runs.Arrays | None:
        """The arrays of the unit of that name, if they were measured."""
        path = self._path(name)
        kept = self._read(path) if path.exists() else None
        return kept.arrays if kept else None

    def put(self, name: str, arrays: runs.Arrays) -> None:
        """Stores them, whole or not at all."""
        path = self._path(name)
        runs.save(path, "unit", arrays, {"setting": self.setting, "name": path.stem, "choices": dict(self.choices)})

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _read(self, path: Path) -> runs.RunFile | None:
        try:
            kept = runs.load(path, "unit")
            if (kept.facts["setting"], kept.facts["name"]) == (self.setting, path.stem):
                return kept
            log.warning("%s is another unit under this one's name; it is measured again", path)
        except BadInput as error:
            log.warning("%s; it is measured again", error)
        path.unlink()
        return None

    def _lock(self) -> int:
        """A lock that the system gives back when the process ends, however it ends."""
        while True:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise BadInput(f"cannot write {self.root}: {error.strerror}") from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle), (self.root / "lock").stat()):
                    return handle
            except BlockingIOError as error:
                os.close(handle)
                raise BadInput(
                    f"another process is measuring into {self.root}: wait for it, or give this one another --out"
                ) from error
            except FileNotFoundError:
                pass  # its last owner has just finished and removed it
            os.close(handle)
