"""Oxford Flowers-102, 8,189 flowers, in torchvision's layout, as class folders, or as a .tar of class folders.

The layouts are split differently. torchvision's has the authors' split, whose training and validation images are both trained
on, as in the paper (2,040 in all; the other 6,149 are for testing). Class folders have a split of their own, usually of 6,552
images for training, 818 for validation and 819 for testing.
"""

import dataclasses
import functools
import urllib.error
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from pruning_oracle.bench.data import class_folders
from pruning_oracle.bench.data.reading.data_folder import missing_data, root
from pruning_oracle.bench.data.reading.files import files
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.splits import Entries, Splits, image_splits
from pruning_oracle.bench.errors import BadInput

CLASSES = 102
OWN = "flowers-102"  # torchvision's name of the folder
EXPECTED = (
    f"{OWN}/ (torchvision's: jpg/, imagelabels.mat, setid.mat), flowers102/train/<class 1 to {CLASSES}>/… or flowers102/*.tar"
)


def load(view: View = View()) -> Splits:  # noqa: B008 (a frozen value)
    """The data set's parts, from the first layout that is present; if there is none, torchvision downloads its own."""
    folder = root() / "flowers102"
    archives = sorted(folder.glob("*.tar"))
    if (root() / OWN / "setid.mat").is_file():
        return _own(root() / OWN, view)
    if (folder / "train").is_dir() or (folder / "flowers" / "train").is_dir():
        return _folders(folder, view)
    if archives:
        return _folders(archives[0], view)
    fetch()
    return _own(root() / OWN, view)


def fetch() -> None:
    """Downloads and checks the data set by torchvision; BadInput if that fails."""
    from torchvision.datasets import Flowers102  # noqa: PLC0415 (takes a second, and only a download needs it)

    try:
        Flowers102(str(root()), download=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise missing_data("Flowers-102", EXPECTED, f"torchvision's download failed ({error})") from error


def _own(folder: Path, view: View) -> Splits:
    labels = _numbers(folder / "imagelabels.mat", "labels")
    split = {name: _numbers(folder / "setid.mat", name) for name in ("trnid", "valid", "tstid")}
    numbers = np.concatenate(list(split.values()))
    if sorted(numbers) != list(range(1, len(labels) + 1)):
        raise BadInput(
            f"{folder}/setid.mat and imagelabels.mat do not match: {len(numbers)} images are split, {len(labels)} labelled"
        )
    parts = {"train": np.concatenate([split["trnid"], split["valid"]]), "test": split["tstid"]}
    found = files(folder / "jpg", (".jpg",))
    entries: dict[str, Entries] = {
        name: [(f"image_{number:05}.jpg", int(labels[number - 1]) - 1) for number in sorted(part)]
        for name, part in parts.items()
    }
    absent = [name for part in entries.values() for name, _ in part if name not in found.places]
    if absent:
        raise BadInput(f"{folder}/setid.mat names {absent[0]}, which is not in jpg/ ({len(absent)} such of {len(labels)})")
    return image_splits("Flowers-102", found, entries, _names(), view)


def _numbers(file: Path, name: str) -> np.ndarray:
    """The whole numbers of the variable `name` in a MATLAB file."""
    try:
        found = np.asarray(loadmat(file)[name]).ravel()
        if not np.isfinite(found).all():
            raise ValueError
        return found.astype(int)
    except Exception as error:  # SciPy raises many kinds for a damaged file
        raise BadInput(f"{file} is missing, truncated or holds no {name!r} ({type(error).__name__})") from error


def _folders(place: Path, view: View) -> Splits:
    """The data set's parts from class folders named 1 to 102, with labels in the order of these numbers, not alphabetical."""
    parts = class_folders.image_folders("Flowers-102", place, view)
    wrong = [name for name in parts.classes if name not in set(_names())]
    if wrong or len(parts.classes) != CLASSES:
        raise BadInput(
            f"{place}: its {len(parts.classes)} class folders must be named 1 to {CLASSES}"
            + (f", not {wrong[0]!r}" if wrong else "")
        )
    for part in filter(None, (parts.train, parts.validation, parts.test)):
        part.labels[:] = [int(parts.classes[label]) - 1 for label in part.labels]
    return dataclasses.replace(parts, classes=tuple(_names()))


@functools.cache
def _names() -> list[str]:
    return [str(number) for number in range(1, CLASSES + 1)]
