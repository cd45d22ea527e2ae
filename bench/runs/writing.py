"""Writes files whole or not at all, over nothing or over a file of the same kind of this suite, and over nothing else."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.kinds import Kind, refusal


def write_atomically(path: Path, content: bytes | str | Iterable[bytes], kind: Kind) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part.

    It writes a temporary file beside `path`, syncs it to the disk and gives it its name. BadInput if it cannot be written, or
    if something else than a file of this kind lies at `path`; the content is then in a file beside it, which the message names.
    """
    data = [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
    with _cannot_write(path), _temporary(path) as (handle, temporary):
        with os.fdopen(handle, "wb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        _name(temporary, path, kind)
        folder = os.open(path.parent, os.O_RDONLY)  # so that the new name survives a power cut, too
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(path: Path, kind: Kind) -> None:
    """Raises BadInput if a file of this kind cannot be written to `path`, so that a command fails before its work.

    It leaves nothing behind; a folder that another process uses in the meantime is kept.
    """
    made = [parent for parent in path.parents if not parent.exists()]
    with _cannot_write(path):
        if why := refusal(path, kind):
            raise BadInput(why)
        with _temporary(path) as (handle, _):
            os.close(handle)
    with contextlib.suppress(OSError):
        for parent in made:
            parent.rmdir()


def beside(path: Path, suffix: str) -> Path:
    """The file or folder that belongs to `path` and has another suffix; BadInput if `path` has that very suffix itself."""
    if path.suffix == suffix:
        raise BadInput(f"{path}: files that end in {suffix} are for what is kept beside the result: give it another name")
    return path.with_suffix(suffix)


def _name(temporary: Path, path: Path, kind: Kind) -> None:
    """Gives a whole temporary file its name. What came to lie there since it was checked is neither lost nor in the way."""
    with contextlib.suppress(OSError):  # a file is there, or the file system has no hard links
        os.link(temporary, path)
        return
    if why := refusal(path, kind):
        aside = path.with_name(f"{path.stem}{temporary.suffix}{path.suffix}")
        temporary.rename(aside)
        raise BadInput(f"{why}; what was to be written there is in {aside}")
    temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[int, Path]]:
    """The open descriptor and the name of a new file beside `path`, which is deleted unless it is renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        yield handle, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _cannot_write(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}") from error
