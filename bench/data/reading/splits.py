"""A data set's parts (training, validation, test), made from lists of names and labels, without unreadable examples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch.utils.data import Dataset

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.data.reading.files import Files, shown
from pruning_oracle.bench.data.reading.images import View, decode_image
from pruning_oracle.bench.data.reading.images import image_examples as images
from pruning_oracle.bench.data.reading.unreadable import find_unreadable, leave_out
from pruning_oracle.bench.errors import BadInput

Entries = list[tuple[str, int]]  # names and labels
TEST = 5  # every fifth example of a class is for testing if a data set has no part for it
UNREAD = 100_000  # larger sets are not checked by reading every file beforehand: that would take an hour


@runtime_checkable
class Labelled(Examples, Protocol):
    """Examples whose labels are known without reading the examples."""

    labels: list[int]


@dataclass(frozen=True)
class Splits:
    """A data set's parts and its classes."""

    train: Labelled
    validation: Labelled | None  # None: `held_out` of bench/training/fine_tune.py takes some of the training part
    test: Labelled
    classes: tuple[str, ...]
    left_out: str = ""  # a sentence on the examples that could not be read, if there are any


class LabelledSubset(Dataset[Any]):
    """The examples of a data set at some rows."""

    def __init__(self, data: Labelled, rows: Sequence[int]) -> None:
        self.data, self.rows = data, list(rows)
        self.labels = [data.labels[row] for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.data[self.rows[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Several examples at once, in parallel if the data set can do that."""
        several = getattr(self.data, "__getitems__", None)
        rows = [self.rows[index] for index in indices]
        return several(rows) if several else [self.data[row] for row in rows]


def split_every(labels: Sequence[int], step: int) -> tuple[list[int], list[int]]:
    """Splits rows into two parts: the second holds every `step`-th row of each class, in the order of `labels`.

    The first holds all other rows.
    """
    seen: dict[int, int] = {}
    parts: tuple[list[int], list[int]] = [], []
    for row, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        parts[seen[label] % step == 0].append(row)
    return parts


def readable_entries(
    what: str,
    entries: Mapping[str, Entries],
    stamps: Mapping[str, str],
    check: Callable[[str], object],
    faults: Mapping[str, str] | None = None,
) -> tuple[dict[str, Entries], str]:
    """The entries of every part that `check` can read, and a sentence on those that it cannot read.

    `stamps` has a text for every name that changes when the file does. `what` names the data set in messages. Sets of more
    than `UNREAD` examples are not checked, but for the `faults` by name that are known beforehand.
    """
    names = {name for part in entries.values() for name, _ in part}
    bad = {name: fault for name, fault in sorted((faults or {}).items()) if fault and name in names}
    if len(names) <= UNREAD:
        bad |= find_unreadable(what, {name: stamps[name] for name in sorted(names - bad.keys())}, check)
    said = leave_out(what, bad, len(names))
    return {split: [(name, label) for name, label in part if name not in bad] for split, part in entries.items()}, said


def image_splits(what: str, files: Files, entries: Mapping[str, Entries], classes: Sequence[str], view: View) -> Splits:
    """The parts of a data set of images; `entries` has a part `train` and a part `test`, and may have a part `validation`."""
    places = {name: files.places[name] for part in entries.values() for name, _ in part}
    stamps, faults = ({name: getattr(place, part) for name, place in places.items()} for part in ("stamp", "fault"))
    good, said = readable_entries(what, entries, stamps, lambda name: decode_image(files.read(name)), faults)
    check_labels(what, good, classes)
    made = {
        split: images(files, [name for name, _ in part], [label for _, label in part], view) for split, part in good.items()
    }
    return Splits(made["train"], made.get("validation"), made["test"], tuple(classes), said)


def check_labels(what: str, entries: Mapping[str, Entries], classes: Sequence[str]) -> None:
    """Raises BadInput for a part without examples, a label outside the classes, or one class alone to train on."""
    for split, part in entries.items():
        if not part:
            raise BadInput(f"{what}: there is no example to {'test on' if split == 'test' else 'train on'} ({split})")
        wrong = [(name, label) for name, label in part if not 0 <= label < len(classes)]
        if wrong:
            raise BadInput(
                f"{what}: {shown(wrong[0][0])} has label {wrong[0][1]};"
                f" there are {len(classes)} classes, 0 to {len(classes) - 1}"
            )
        alone = {label for _, label in part}
        if split == "train" and len(alone) < 2:
            raise BadInput(f"{what}: {classes[alone.pop()]} alone has examples to train on; at least 2 classes need some")
