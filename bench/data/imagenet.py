"""ImageNet (ILSVRC 2012) in class folders, and a sample of 250 images whose names begin with the class."""

import re

from pruning_oracle.bench.data import class_folders
from pruning_oracle.bench.data.reading.data_folder import missing_data, root
from pruning_oracle.bench.data.reading.files import files
from pruning_oracle.bench.data.reading.images import SUFFIXES, View
from pruning_oracle.bench.data.reading.splits import Splits, image_splits
from pruning_oracle.bench.errors import BadInput

CLASSES = 1000
SAMPLE = "imagenet_sample"


def load(view: View = View()) -> Splits:  # noqa: B008 (a frozen value)
    """ImageNet's training images, and its validation images as the test part; classes are in the order of WordNet numbers."""
    folder = root() / "imagenet"
    if not (folder / "train").is_dir() or not (folder / "val").is_dir():
        raise missing_data("ImageNet", "imagenet/train/<n01440764 and so on>/*.JPEG and imagenet/val/<the same>/*.JPEG")
    parts = class_folders.image_folders("ImageNet", folder, view)
    if len(parts.classes) != CLASSES:
        raise BadInput(f"{folder}/train has {len(parts.classes)} class folders; ImageNet's networks know {CLASSES} classes")
    return parts


def sample(view: View = View()) -> Splits:  # noqa: B008
    """The sample of 250 images as the training and as the test part, since nothing is trained on it."""
    folder = root() / SAMPLE
    archives = sorted(folder.glob("*.tar"))
    if not archives and not folder.is_dir():
        raise missing_data(
            "sample of ImageNet", f"{SAMPLE}/*.tar or {SAMPLE}/ with images named <class 0 to {CLASSES - 1}>_….JPEG"
        )
    found = files(archives[0] if archives else folder, SUFFIXES)
    entries = []
    for name in found.places:
        number = re.match(r"\d+", name.rsplit("/", 1)[-1])
        if not number:
            raise BadInput(f"{found.root}: the name of {name} does not begin with its class, 0 to {CLASSES - 1}")
        entries.append((name, int(number[0])))
    return image_splits(
        "sample of ImageNet", found, {"train": entries, "test": entries}, [str(label) for label in range(CLASSES)], view
    )
