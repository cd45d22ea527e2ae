"""Finished units of work, a file each, so that a run that was killed at any moment can resume.

A unit is, for example, one site on one block of examples. The files of one setting lie in a folder named after a digest of all
that could change a number, so that no other setting uses them.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.exact.choices import Choices

log = logging.getLogger("oracle")
UNIT = re.compile(r"\.?[0-9a-z-]+\.safetensors(\.\w+)?")  # a unit, or one whose writing was cut short


class Units:
    """The units of one setting, in a folder beside `out`, the file they are for; use them inside `hold`.

    Units of other settings for the same file lie beside them, and stay.
    """

    def __init__(self, out: Path, setting: dict[str, Any]) -> None:
        self.root = runs.beside(out, ".units")
        self.setting = hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()
        self.folder = self.root / self.setting[:16]
        self.choices = Choices()  # the choices of the engine, stored in every unit

    @contextmanager
    def hold(self) -> "Iterator[Units]":
        """Locks the folder against other processes, and deletes this setting's units once the block succeeds.

        If the block fails, its units are kept; if there are none, nothing is left behind. Raises BadInput if another process
        holds the lock, if the folder cannot be written, or if it is not one that an oracle made.
        """
        made = [parent for parent in self.root.parents if not parent.exists()]
        self._check()
        handle = self._lock()
        try:
            for path in sorted(self.folder.glob("*.safetensors")):
                if kept := self._read(path):
                    self.choices |= kept.facts["choices"]
            yield self
            self._delete()
        except BaseException:
            if not list(self.folder.glob("*.safetensors")):
                self._delete()
                for parent in made:
                    if not list(parent.iterdir()):
                        parent.rmdir()
            raise
        finally:
            os.close(handle)

    def discard(self) -> None:
        """Deletes what a run of this setting left that was killed after its result was written, unless it is in use."""
        if self.root.is_dir():
            with suppress(BadInput), self.hold():
                pass

    def _check(self) -> None:
        """Raises BadInput if something else than units lies where they are to be kept."""
        try:
            if not self.root.is_symlink() and all(map(_ours, self.root.iterdir())):
                return
        except FileNotFoundError:
            return
        except OSError as error:
            raise BadInput(f"cannot write {self.root}: {error.strerror}") from error
        raise BadInput(
            f"{self.root} is not a folder of an oracle's units, which are kept there: move it away, or give another --out"
        )

    def _delete(self) -> None:
        """Deletes the units of this setting, and the whole folder if no other setting has units there."""
        for path in self.folder.glob("*"):
            if UNIT.fullmatch(path.name):
                path.unlink()
        others = set(self.root.iterdir()) - {self.folder, self.root / "lock"}
        if others:
            log.info("kept in %s: the units of %d unfinished oracles of other settings", self.root, len(others))
        with suppress(OSError):  # not empty, or never made
            self.folder.rmdir()
        if not others:
            (self.root / "lock").unlink()
            with suppress(OSError):
                self.root.rmdir()

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


def _ours(path: Path) -> bool:
    """Whether an entry of a folder of units is the lock, or a folder of one setting's units."""
    if stat.S_ISDIR(path.lstat().st_mode):
        return bool(re.fullmatch(r"[0-9a-f]{16}", path.name)) and all(UNIT.fullmatch(unit.name) for unit in path.iterdir())
    return path.name == "lock" and stat.S_ISREG(path.lstat().st_mode) and not path.lstat().st_size
