"""CUB-200-2011, 11,788 birds of 200 species, as published: images, and lists of names, labels and split by image number."""

from pathlib import Path

from pruning_oracle.bench.data.reading.data_folder import missing_data, root
from pruning_oracle.bench.data.reading.files import files, read_text
from pruning_oracle.bench.data.reading.images import SUFFIXES, View
from pruning_oracle.bench.data.reading.splits import Entries, Splits, image_splits
from pruning_oracle.bench.errors import BadInput

FOLDER = "CUB_200_2011"
LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def load(view: View = View()) -> Splits:  # noqa: B008 (a frozen value)
    """The 5,994 training and 5,794 test images, as the authors of the set split them; BadInput if the lists do not match."""
    folder = root() / FOLDER
    if not folder.is_dir():
        raise missing_data("CUB-200-2011", f"{FOLDER}/ with {', '.join(LISTS)} and images/")
    names, labels, split, classes = (_read(folder / name) for name in LISTS)
    for file, listed in zip(LISTS[1:3], (labels, split), strict=True):
        odd = sorted(set(names) ^ set(listed), key=int)
        if odd:
            raise BadInput(f"{folder / file} does not match images.txt: image {odd[0]} is in one alone ({len(odd)} such)")
    strange = sorted(set(labels.values()) - set(classes))
    if strange:
        raise BadInput(f"{folder / LISTS[1]} gives class {strange[0]}, which classes.txt does not have")
    order = {number: label for label, number in enumerate(classes)}
    entries: dict[str, Entries] = {"train": [], "test": []}
    for image, name in names.items():
        if split[image] not in {"0", "1"}:
            raise BadInput(f"{folder / LISTS[2]}: image {image} has {split[image]!r}; 1 trains, 0 tests")
        entries["train" if split[image] == "1" else "test"].append((name, order[labels[image]]))
    found = files(folder / "images", SUFFIXES)
    absent = [name for name in names.values() if name not in found.places]
    if absent:
        raise BadInput(f"{folder}/images.txt names {absent[0]}, which is not in images/ ({len(absent)} such of {len(names)})")
    return image_splits("CUB-200-2011", found, entries, list(classes.values()), view)


def _read(file: Path) -> dict[str, str]:
    """The lines `number text` of a file, as texts by number, in the file's order."""
    if not file.is_file():
        raise BadInput(f"no {file}: CUB-200-2011 holds {', '.join(LISTS)} and images/")
    found: dict[str, str] = {}
    for place, line in enumerate(read_text(file).splitlines(), 1):
        number, _, text = line.strip().partition(" ")
        if not number:
            continue
        if not number.isdecimal() or not text or number in found:
            raise BadInput(f"{file}, line {place}: {line!r} is no new number with a text behind it")
        found[number] = text.strip()
    return found
