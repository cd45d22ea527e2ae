"""Reads arrays from an .npz file, without running code, and without believing sizes that the file cannot hold."""

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench.errors import BadInput

TIGHTEST = 1100  # times that deflate, the compression of .npz files, can shrink anything, and a little more
PASSES = 3  # how many times the memory of an array is in use while it becomes a tensor


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of the arrays called `names` that the file holds; BadInput says which is damaged, or larger than memory."""
    if not path.is_file():
        raise BadInput(f"no file {path}")
    found: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name in (name for name in names if name in members):
                with archive.open(members[name]) as member:
                    _check(f"{path}: {name}", members[name], member, path.stat().st_size)
                with archive.open(members[name]) as member:
                    found[name] = np.lib.format.read_array(member, allow_pickle=False)
    except BadInput:
        raise
    except Exception as error:  # zipfile and NumPy raise many kinds for a damaged file
        raise BadInput(f"{path} is truncated or no .npz ({type(error).__name__})") from error
    if not found:
        held = ", ".join(members) or "nothing"
        raise BadInput(f"{path} holds {held[:200]}; expected {' and '.join(names)}")
    return found


def _check(where: str, info: zipfile.ZipInfo, member: Any, size: int) -> None:
    """Raises BadInput if an array's header promises what is not in the file, Python objects, or more than memory holds."""
    version = np.lib.format.read_magic(member)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise BadInput(f"{where} is in NumPy's format {version[0]}.{version[1]}; expected plain numbers, in format 1.0 or 2.0")
    shape, _, kind = read(member)
    if kind.hasobject:
        raise BadInput(f"{where} holds Python objects, which are never loaded; expected numbers")
    said = math.prod(shape) * kind.itemsize
    packed = info.compress_size if info.compress_type == zipfile.ZIP_STORED else info.compress_size * TIGHTEST
    if min(shape, default=0) < 0 or said != info.file_size - member.tell() or info.compress_size > size or said > packed:
        raise BadInput(f"{where} says that it is {kind} {shape}, {said:,} bytes, but the file does not hold them")
    free = free_memory()
    if PASSES * said > free:
        raise BadInput(f"{where} is {kind} {shape}, {said:,} bytes, of which {PASSES} times are in use; {free:,} are free")


def free_memory() -> int:
    """Bytes of main memory that this process can still get, in its container if it is in one."""
    free = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
        limit, used, parts = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current", "stat"))
        kept = next(
            int(line.split()[1]) for line in parts.splitlines() if line.startswith("file ")
        )  # copies of what is on disk
        free += [int(limit) - int(used) + kept] if limit.isdecimal() else []
    except (OSError, StopIteration):  # another system, or no container
        pass
    return max(0, min(free))
