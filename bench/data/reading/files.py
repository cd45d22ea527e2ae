"""The files under a folder or inside a .tar, by name; files in an archive are read without unpacking it."""

import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pruning_oracle.bench.errors import BadInput

LARGEST = 2**28  # bytes of a file that is read as a whole: an image has less
KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True)
class Place:
    """Where a file's bytes are: `size` bytes from `first` on in `path`, which is the file itself or an archive."""

    path: Path
    first: int
    size: int
    stamp: str  # a text that changes when the content does
    fault: str = ""  # why it cannot be read, if that shows without reading it
    real: str = ""  # the path without links; empty in an archive


@dataclass(frozen=True)
class Files:
    """Files by their names relative to `root`, which is a folder or an archive."""

    root: Path
    places: dict[str, Place]

    def read(self, name: str) -> bytes:
        """A file's content; BadInput says why it cannot be read."""
        place = self.places[name]
        if place.fault:
            raise BadInput(place.fault)
        if place.size > LARGEST:
            raise BadInput(f"{place.size:,} bytes, more than any image (at most {LARGEST:,})")
        try:
            with place.path.open("rb") as file:
                file.seek(place.first)
                return file.read(place.size)
        except OSError as error:
            raise BadInput(f"cannot be read, {error.strerror or type(error).__name__}") from error

    def under(self, folder: str) -> "Files":
        """The files in a folder, named relative to it."""
        start = f"{folder}/"
        inside = {name.removeprefix(start): place for name, place in self.places.items() if name.startswith(start)}
        return Files(self.root / folder, inside)

    def folders(self) -> list[str]:
        """The names of the top-level folders that hold files, in alphabetical order."""
        return sorted({name.split("/", 1)[0] for name in self.places if "/" in name})

    def where(self, folder: str) -> "Files":
        """The files named relative to the place that holds `folder`, without the outer folders that archives often add."""
        found = self
        while folder not in found.folders() and len(found.folders()) == 1:
            found = found.under(found.folders()[0])
        return found


def files(root: Path, suffixes: tuple[str, ...]) -> Files:
    """All files with these suffixes (given in lower case) under a folder or inside a .tar; BadInput if `root` is neither.

    What only has the name of a file (a link to nothing, a FIFO, a member larger than its archive) is among them, with its
    fault, and so is a folder that cannot be entered. Links to folders are followed, but not back to a folder that holds them.
    """
    if root.is_dir():
        return Files(root, dict(sorted(_walk(root, suffixes).items())))
    if not root.is_file():
        raise BadInput(f"no folder or .tar at {root}")
    try:
        with tarfile.open(root, "r:") as archive:  # a compressed .tar could not be read in any order
            members = archive.getmembers()
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, MemoryError) as error:
        raise BadInput(f"{root} is no uncompressed .tar ({error}): unpack it, or pack it as .tar") from error
    return Files(root, dict(sorted(_members(root, members, suffixes).items())))


def read_text(file: Path) -> str:
    """The text of a file that lists others; BadInput if it is no regular file, not UTF-8, or larger than any list."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            raise BadInput(f"{file} is no regular file of at most {LARGEST:,} bytes")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as text ({type(error).__name__})") from error


def shown(name: str) -> str:
    """A file's name as text for people: bytes that are not UTF-8, and characters that do not print, are written as escapes."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _walk(root: Path, suffixes: tuple[str, ...]) -> dict[str, Place]:
    found = {}
    real = os.path.realpath(root)
    # a folder, what its files' names begin with, its path without links, and the folders that hold it
    waiting: list[tuple[str, str, str, tuple[str, ...]]] = [(str(root), "", real, (real,))]
    while waiting:
        folder, start, real, above = waiting.pop()
        try:
            with os.scandir(folder) as listed:
                entries = [entry for entry in listed if not entry.name.startswith(".")]
        except OSError as error:
            found[start.rstrip("/") or "."] = _faulty(folder, f"cannot be entered, {error.strerror}")
            continue
        for entry in entries:
            name = start + entry.name
            own = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{entry.name}"
            kind, size, stamp, fault = _look(entry)
            if stat.S_ISDIR(kind) and own in above:
                found[name] = _faulty(entry.path, "a link back to a folder that holds it")
            elif stat.S_ISDIR(kind):
                waiting.append((entry.path, f"{name}/", own, (*above, own)))
            elif entry.name.lower().endswith(suffixes):
                found[name] = Place(Path(entry.path), 0, size, stamp, fault, own)
    return found


def _look(entry: os.DirEntry[str]) -> tuple[int, int, str, str]:
    """What a name in a folder leads to: its kind, bytes, stamp, and why it is no file to read."""
    try:
        info = entry.stat()
    except OSError as error:
        fault = "a link to nothing" if entry.is_symlink() else f"cannot be read, {error.strerror}"
        return 0, 0, fault, fault
    kind = stat.S_IFMT(info.st_mode)
    fault = f"{KINDS[kind]}, not a file" if kind in KINDS else ""
    return kind, info.st_size, fault or f"{info.st_size} {info.st_mtime_ns}", fault


def _faulty(path: str, fault: str) -> Place:
    return Place(Path(path), 0, 0, fault, fault, path)


def _members(root: Path, members: list[tarfile.TarInfo], suffixes: tuple[str, ...]) -> dict[str, Place]:
    found = {}
    known = root.stat()
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise BadInput(
                f"{root}: its member {member.name!r} would escape the folder it is unpacked to; nothing of it is read"
            )
        if member.issym() or member.islnk():
            raise BadInput(
                f"{root}: its member {member.name!r} is a link to {member.linkname!r}; only files and folders are read"
            )
        if not member.isdir() and path.name.lower().endswith(suffixes) and not path.name.startswith("."):
            stamp, fault = f"{member.size} {known.st_mtime_ns} {member.offset_data}", ""
            if not member.isfile():
                fault = "not a file"
            elif member.issparse():
                fault = "a sparse file"
            elif not 0 <= member.size <= known.st_size - member.offset_data:
                fault = f"said to have {member.size:,} bytes, more than its archive"
            found[str(path)] = Place(root, member.offset_data, member.size, stamp, fault)
    return found
