"""The files under a folder or inside a .tar, by name; files in an archive are read without unpacking it."""

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pruning_oracle.bench.errors import BadInput


@dataclass(frozen=True)
class Place:
    """Where a file's bytes are: `size` bytes from `first` on in `path`, which is the file itself or an archive."""

    path: Path
    first: int
    size: int
    stamp: str  # a text that changes when the content does


@dataclass(frozen=True)
class Files:
    """Files by their names relative to `root`, which is a folder or an archive."""

    root: Path
    places: dict[str, Place]

    def read(self, name: str) -> bytes:
        """A file's content."""
        place = self.places[name]
        with place.path.open("rb") as file:
            file.seek(place.first)
            return file.read(place.size)

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
    """All files with these suffixes (given in lower case) under a folder or inside a .tar; BadInput if `root` is neither."""
    if root.is_dir():
        return Files(root, dict(sorted(_walk(root, suffixes).items())))
    if not root.is_file():
        raise BadInput(f"no folder or .tar at {root}")
    try:
        with tarfile.open(root, "r:") as archive:  # a compressed .tar could not be read in any order
            members = archive.getmembers()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BadInput(f"{root} is no uncompressed .tar ({error}): unpack it, or pack it as .tar") from error
    return Files(root, dict(sorted(_members(root, members, suffixes).items())))


def _walk(root: Path, suffixes: tuple[str, ...]) -> dict[str, Place]:
    found = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            if name.lower().endswith(suffixes) and not name.startswith("."):
                path = Path(folder, name)
                known = path.stat()
                found[path.relative_to(root).as_posix()] = Place(path, 0, known.st_size, f"{known.st_size} {known.st_mtime_ns}")
    return found


def _members(root: Path, members: list[tarfile.TarInfo], suffixes: tuple[str, ...]) -> dict[str, Place]:
    found = {}
    age = root.stat().st_mtime_ns
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
        if member.isfile() and path.name.lower().endswith(suffixes) and not path.name.startswith("."):
            found[str(path)] = Place(root, member.offset_data, member.size, f"{member.size} {age} {member.offset_data}")
    return found
