"""Finished units of work, a file each, so that a run that was killed at any moment can resume.

A unit is, for example, one site on one block of examples. The files of one setting lie in a folder named after a digest of all
that could change a number, so that no other setting uses them.
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
from pruning_oracle.oracle.exact.choices import Choices

log = logging.getLogger("oracle")


class Units:
    """The units of one setting, in a folder beside `out`, the file they are for; use them inside `hold`."""

    def __init__(self, out: Path, setting: dict[str, Any]) -> None:
        self.root = out.with_suffix(".units")
        self.setting = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
        self.folder = self.root / self.setting[:16]
        self.choices = Choices()  # the choices of the engine, stored in every unit

    @contextmanager
    def hold(self) -> "Iterator[Units]":
        """Locks the folder against other processes, and deletes it once the block succeeds.

        If the block fails, its units are kept; if there are none, nothing is left behind. Raises BadInput if another process
        holds the lock, or if the folder cannot be written.
        """
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
        """The arrays of the unit of that name; None if it is missing, damaged or of another setting."""
        path = self._path(name)
        kept = self._read(path) if path.exists() else None
        return kept.arrays if kept else None

    def put(self, name: str, arrays: runs.Arrays) -> None:
        """Stores the arrays of a unit under its name, whole or not at all."""
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
        """Takes a lock that the system releases when the process ends, however it ends; returns its file descriptor."""
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
                pass  # the last owner of the lock has just finished and removed it
            os.close(handle)
