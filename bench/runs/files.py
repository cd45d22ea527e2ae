"""The files of a run: atomic and checksummed, named arrays and facts as one safetensors file."""

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from pruning_oracle.bench.errors import BadInput

FORMAT = "pruning-oracle 1"
RUNS = Path("runs")
TRAINED = Path("trained")  # what was fine-tuned here: weights and learning curves
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class RunFile:
    """What one stage hands to the next: named arrays and the facts about how they came to be."""

    path: Path
    arrays: Arrays
    facts: dict[str, Any]
    checksum: str


def folder(case: str, seed: int, root: Path = RUNS) -> Path:
    """Where the files of one case at one seed lie."""
    return root / case / str(seed)


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, shapes, types and contents: the checksum of weights, data and files."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes beside the target, syncs, renames: a reader sees the old file or the new one, never half of one."""
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)  # the new name must outlive a power cut as well
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuses, before any work, a file that could not be written; leaves nothing behind.

    Two stages of one run may do so at once: each probes by its own file's name, and a folder that is in use stays.
    """
    made = [parent for parent in path.parents if not parent.exists()]
    probe = path.parent / f".{path.name}.probe"
    write_atomically(probe, b"")
    probe.unlink()
    with contextlib.suppress(OSError):
        for parent in made:
            parent.rmdir()


def save(path: Path, kind: str, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Stores arrays and facts as one safetensors file whose header holds a checksum over both."""
    text = json.dumps(facts, sort_keys=True)
    header = {"format": FORMAT, "kind": kind, "facts": text, "checksum": _checksum(kind, text, arrays)}
    write_atomically(path, to_bytes({name: np.asarray(array, order="C") for name, array in arrays.items()}, header))


def load(path: Path, kind: str) -> RunFile:
    """Reads what `save` wrote; a missing, truncated, foreign or altered file is refused by name."""
    if not path.is_file():
        raise BadInput(f"no {kind} file at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path} is truncated or not a safetensors file ({error})") from error
    if header.get("format") != FORMAT or header.get("kind") != kind:
        raise BadInput(
            f"{path} is not a {kind} file of this suite (format {header.get('format')!r}, kind {header.get('kind')!r})"
        )
    if header.get("checksum") != _checksum(kind, header.get("facts", ""), arrays):
        raise BadInput(f"{path} was altered after it was written: its checksum does not match")
    return RunFile(path, arrays, json.loads(header["facts"]), header["checksum"])


def _checksum(kind: str, facts: str, arrays: Arrays) -> str:
    return hashlib.sha256(f"{kind} {facts} {digest(arrays)}".encode()).hexdigest()
