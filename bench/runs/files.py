"""Run files: named arrays and facts in one safetensors file, written atomically and checksummed."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.safetensors_bytes import safetensors_bytes

FORMAT = "pruning-oracle 1"
RUNS = Path("runs")
TRAINED = Path("trained")  # weights and learning curves of networks that were trained here
Arrays = dict[str, np.ndarray]
SomeArrays = Mapping[str, np.ndarray]  # each array is asked for when it is needed, so that not all need be held at once


@dataclass(frozen=True)
class RunFile:
    """The content of a file that one stage writes for others: named arrays, and facts about how they were made."""

    path: Path
    arrays: Arrays
    facts: dict[str, Any]
    checksum: str


def folder(case: str, seed: int, root: Path = RUNS) -> Path:
    """The folder of the files of one case at one seed."""
    return root / case / str(seed)


def digest(arrays: SomeArrays) -> str:
    """SHA-256 over the arrays' names, types, shapes and contents: the checksum of weights, data and run files."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def write_atomically(path: Path, content: bytes | str | Iterable[bytes]) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part; BadInput if it cannot be written.

    It writes a temporary file beside `path`, syncs it to the disk and renames it.
    """
    data = [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)  # so that the new name survives a power cut, too
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
    """Raises BadInput if a file cannot be written, so that a command fails before its work; leaves nothing behind.

    Two stages of one run may check at once: each writes a probe named after its own file, and a folder in use is kept.
    """
    made = [parent for parent in path.parents if not parent.exists()]
    probe = path.parent / f".{path.name}.probe"
    write_atomically(probe, b"")
    probe.unlink()
    with contextlib.suppress(OSError):
        for parent in made:
            parent.rmdir()


def save(path: Path, kind: str, arrays: SomeArrays, facts: dict[str, Any]) -> None:
    """Stores arrays and facts as one safetensors file whose header holds a checksum over both."""
    text = json.dumps(facts, sort_keys=True)
    header = {"format": FORMAT, "kind": kind, "facts": text, "checksum": _checksum(kind, text, arrays)}
    write_atomically(path, safetensors_bytes(arrays, header))


def load(path: Path, kind: str) -> RunFile:
    """Reads a file that `save` wrote; BadInput if it is missing, truncated, altered or of another kind."""
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


def _checksum(kind: str, facts: str, arrays: SomeArrays) -> str:
    return hashlib.sha256(f"{kind} {facts} {digest(arrays)}".encode()).hexdigest()
