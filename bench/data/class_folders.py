"""Data sets in class folders, as for torchvision's ImageFolder: PATH/train/rose/1.jpg and PATH/test/…, or PATH/rose/1.jpg."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from pruning_oracle.bench.data.reading.files import Files, Place, files, shown
from pruning_oracle.bench.data.reading.images import SUFFIXES, View
from pruning_oracle.bench.data.reading.splits import TEST, Entries, Splits, image_splits, split_every
from pruning_oracle.bench.data.reading.unreadable import leave_out
from pruning_oracle.bench.errors import BadInput

SPLITS = {"train": ("train",), "validation": ("valid", "val", "validation"), "test": ("test",)}


@dataclasses.dataclass(frozen=True)
class Listing:
    """What class folders hold: files, each part's names and labels, the classes in alphabetical order, and what is left out."""

    files: Files
    entries: dict[str, Entries]
    classes: list[str]
    left_out: str


def image_folders(what: str, root: Path, view: View) -> Splits:
    """The parts of a set of images in class folders, or in a .tar of class folders; `what` names the set in messages."""
    found = listed(what, root, SUFFIXES)
    parts = image_splits(what, found.files, found.entries, found.classes, view)
    return dataclasses.replace(parts, left_out="; ".join(filter(None, [found.left_out, parts.left_out])))


def listed(what: str, root: Path, suffixes: tuple[str, ...]) -> Listing:
    """Lists the files, parts and classes in class folders, or in a .tar of them; BadInput if the layout is different.

    Without a test folder, the validation folder is the test set. Without a folder `train`, every fifth file of a class is for
    testing.
    """
    found = files(root, suffixes).where("train")
    folders = {split: next((name for name in names if name in found.folders()), "") for split, names in SPLITS.items()}
    if not folders["train"]:
        return _unsplit(what, found)
    if not folders["test"]:
        folders |= {"test": folders["validation"], "validation": ""}
    if not folders["test"]:
        raise BadInput(f"{what}: {found.root} has a folder train, but none named test, val or valid")
    classes, said = _classes(what, found, "train")
    for folder in filter(None, folders.values()):
        strange = sorted(set(found.under(folder).folders()) - set(classes))
        if strange:
            raise BadInput(f"{what}: {folder}/{strange[0]} is no class of train, which has {len(classes)}: {_some(classes)}")
    entries = {split: _entries(found, f"{folder}/", classes) for split, folder in folders.items() if folder}
    return Listing(_each_once(found, entries.values()), entries, list(map(shown, classes)), said)


def _unsplit(what: str, found: Files) -> Listing:
    classes, said = _classes(what, found, "")
    whole = _entries(found, "", classes)
    parts = split_every([label for _, label in whole], TEST)
    entries = {split: [whole[row] for row in rows] for split, rows in zip(("train", "test"), parts, strict=True)}
    return Listing(_each_once(found, [whole]), entries, list(map(shown, classes)), said)


def _each_once(found: Files, parts: Iterable[Entries]) -> Files:
    """The files, of which one that links bring into a part twice has a fault the second time."""
    twins: dict[str, Place] = {}
    for part in parts:
        names: dict[str, list[str]] = {}
        for name, _ in part:
            names.setdefault(found.places[name].real or name, []).append(name)
        for real, alike in names.items():
            if len(alike) > 1:  # the one whose name is its own comes first, whatever the links to it are called
                direct = [name for name in alike if real.endswith(f"/{name}")]
                first = min(direct or alike)
                fault = f"the same file as {shown(first)}"
                twins |= {name: dataclasses.replace(found.places[name], fault=fault) for name in alike if name != first}
    return dataclasses.replace(found, places=found.places | twins)


def _classes(what: str, found: Files, folder: str) -> tuple[list[str], str]:
    """The classes in alphabetical order, and a sentence on those that are empty."""
    inside = found.under(folder) if folder else found
    root = inside.root
    on_disk = [path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "."] if root.is_dir() else []
    odd = {name: place.fault for name, place in inside.places.items() if "/" not in name and place.fault}
    classes = sorted({*inside.folders(), *on_disk} - odd.keys())
    empty = {name: "an empty class" for name in classes if name not in inside.folders()}
    if len(classes) < 2 or len(classes) - len(empty) < 2:
        raise BadInput(
            f"{what}: {root} holds fewer than 2 class folders with files to read:"
            " expected train/<class>/… and test/<class>/…, or <class>/…"
        )
    bad = {f"{folder}/{name}".strip("/"): reason for name, reason in (empty | odd).items()}
    return classes, leave_out(f"{what}: classes", bad, len(classes) + len(odd))


def _entries(found: Files, start: str, classes: list[str]) -> Entries:
    labels = {name: label for label, name in enumerate(classes)}
    inside = [name for name in found.places if name.startswith(start) and "/" in name.removeprefix(start)]
    return [(name, labels[name.removeprefix(start).split("/", 1)[0]]) for name in inside]


def _some(classes: list[str]) -> str:
    return ", ".join(map(shown, classes[:3])) + (", …" if len(classes) > 3 else "")
