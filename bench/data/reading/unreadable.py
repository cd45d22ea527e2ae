"""Examples that cannot be read: they are named, counted and left out; with `--strict` or STRICT=1 they are an error.

Checking every file of a large set takes minutes, so the result is cached under runs/, by the files' names, sizes and times.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.data.reading.files import shown
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.runs.kinds import READABLE

STRICT = "STRICT"
MEMORY = runs.RUNS / ".read"
NAMED = 3  # how many examples a message names
RULES = b"2"  # of what can be read: another number where they change, so that what was found by others is not believed
LONG = 2.0  # seconds; the result of a check that takes longer is cached


def be_strict() -> None:
    """Makes an example that cannot be read an error in all that this process reads later, by the variable `STRICT`."""
    os.environ[STRICT] = "1"


def strict() -> bool:
    """Whether an example that cannot be read is an error: true if the environment variable `STRICT` is set, but not to 0."""
    return os.environ.get(STRICT, "") not in {"", "0"}


def leave_out(what: str, bad: dict[str, str], of: int) -> str:
    """Prints to stderr and returns a sentence on what is left out, of how many, and why; raises BadInput if `strict`.

    `bad` has the reason by name; if it is empty, nothing is printed and the sentence is empty.
    """
    if not bad:
        return ""
    named = "; ".join(f"{shown(name)}: {reason}" for name, reason in list(bad.items())[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    said = f"{what}: {len(bad)} of {of} left out ({named}{more})"
    if strict():
        raise BadInput(
            f"{what}: {len(bad)} of {of} cannot be used ({named}{more}); without --strict or STRICT they are left out"
        )
    print(said, file=sys.stderr)
    return said


def find_unreadable(what: str, stamps: dict[str, str], check: Callable[[str], object]) -> dict[str, str]:
    """The names for which `check` raises BadInput, with its message.

    `stamps` has a text for every name that changes when the file does; the result is cached by names and stamps.
    """
    sha = hashlib.sha256(RULES)
    for name, stamp in stamps.items():
        sha.update(f"{name}\0{stamp}\0".encode(errors="surrogateescape"))
    memory = MEMORY / f"{sha.hexdigest()[:32]}.json"
    known = _remembered(memory)
    if known is not None:
        return known
    start = time.monotonic()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool, quiet():
        found = pool.map(lambda name: _reason(check, name), stamps)
        read = bar(found, desc=f"{what}: reading every file once", total=len(stamps), unit="file", delay=LONG, leave=False)
        bad = {name: reason for name, reason in zip(stamps, read, strict=True) if reason}
    if time.monotonic() - start > LONG:
        with contextlib.suppress(BadInput):  # where nothing can be written, they are read again the next time
            runs.write_atomically(memory, json.dumps({"bad": bad, "checksum": _checksum(memory.name, bad)}), READABLE)
    return bad


def _remembered(memory: Path) -> dict[str, str] | None:
    """What an earlier check found; None if there was none, or if its file is not as it was written."""
    try:
        content = json.loads(memory.read_text()) if memory.is_file() else {}
        bad = content["bad"]
        return dict(bad) if content["checksum"] == _checksum(memory.name, bad) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _checksum(name: str, bad: dict[str, str]) -> str:
    return hashlib.sha256(f"{name} {json.dumps(bad, sort_keys=True)}".encode()).hexdigest()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings of libraries that decode files, such as of broken EXIF data, which would name a line of code.

    Which warnings are shown is one setting of the whole process, so this stands around threads, never inside them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(check: Callable[[str], object], name: str) -> str:
    try:
        check(name)
    except BadInput as error:
        return str(error)
    return ""
