"""Run files: named arrays and facts in one safetensors file, written atomically and checksummed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.kinds import FORMAT, run_file
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.safetensors_bytes import safetensors_bytes
from pruning_oracle.bench.runs.writing import write_atomically

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
    """The folder of the files of one case at one seed; BadInput if that is no name."""
    return root / checked_name("the name of a case", case) / str(seed)


def digest(arrays: SomeArrays) -> str:
    """SHA-256 over the arrays' names, types, shapes and contents: the checksum of weights, data and run files."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def save(path: Path, kind: str, arrays: SomeArrays, facts: dict[str, Any]) -> None:
    """Stores arrays and facts as one safetensors file whose header holds a checksum over both."""
    text = json.dumps(facts, sort_keys=True)
    header = {"format": FORMAT, "kind": kind, "facts": text, "checksum": _checksum(kind, text, arrays)}
    write_atomically(path, safetensors_bytes(arrays, header), run_file(kind))


def load(path: Path, kind: str) -> RunFile:
    """Reads a file that `save` wrote; BadInput if it is missing, truncated, altered or of another kind."""
    if not path.is_file():
        raise BadInput(f"no {kind} file at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is truncated or not a safetensors file ({error})") from error
    if header.get("format") != FORMAT or header.get("kind") != kind:
        raise BadInput(
            f"{path} is not a {kind} file of this suite (format {header.get('format')!r}, kind {header.get('kind')!r})"
        )
    if header.get("checksum") != _checksum(kind, header.get("facts", ""), arrays):
        raise BadInput(f"{path} was altered after it was written: its checksum does not match")
    try:
        facts = json.loads(header["facts"])
    except (KeyError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} is damaged: its facts are not JSON ({type(error).__name__})") from error
    if not isinstance(facts, dict):
        raise BadInput(f"{path} is damaged: its facts are {type(facts).__name__}, which must be names with values")
    return RunFile(path, arrays, facts, header["checksum"])


def kind_of(path: Path) -> str:
    """The kind that the header of a run file names; BadInput if there is none."""
    if not path.is_file():
        raise BadInput(f"no run file at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{path} is truncated or not a safetensors file ({error})") from error
    if header.get("format") != FORMAT:
        raise BadInput(f"{path} is not a file of this suite (format {header.get('format')!r})")
    return str(header.get("kind"))


def _checksum(kind: str, facts: str, arrays: SomeArrays) -> str:
    return hashlib.sha256(f"{kind} {facts} {digest(arrays)}".encode()).hexdigest()
