"""A data set's parts (training, validation, test) from lists of names and labels, with what cannot be read left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch.utils.data import Dataset

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.data.reading.files import Files
from pruning_oracle.bench.data.reading.images import View, decode_image
from pruning_oracle.bench.data.reading.images import image_examples as images
from pruning_oracle.bench.data.reading.unreadable import find_unreadable, leave_out
from pruning_oracle.bench.errors import BadInput

Entries = list[tuple[str, int]]  # names and labels
TEST = 5  # every so many-th example of a class, where a data set has no part for the test
UNREAD = 100_000  # larger sets are not read beforehand: that would take an hour


@runtime_checkable
class Labelled(Examples, Protocol):
    """Examples whose labels are known without reading the examples."""

    labels: list[int]


@dataclass(frozen=True)
class Splits:
    """What a data set is made of."""

    train: Labelled
    validation: Labelled | None  # None: part of the training set is held out by whoever needs one
    test: Labelled
    classes: tuple[str, ...]
    left_out: str = ""  # what could not be read, in words


class LabelledSubset(Dataset[Any]):
    """Some rows of a data set."""

    def __init__(self, data: Labelled, rows: Sequence[int]) -> None:
        self.data, self.rows = data, list(rows)
        self.labels = [data.labels[row] for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.data[self.rows[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Several at once, in parallel where the data set can."""
        several = getattr(self.data, "__getitems__", None)
        rows = [self.rows[index] for index in indices]
        return several(rows) if several else [self.data[row] for row in rows]


def split_every(labels: Sequence[int], step: int) -> tuple[list[int], list[int]]:
    """Rows in two parts: the second holds every `step`-th of each class in the order given, the first the others."""
    seen: dict[int, int] = {}
    parts: tuple[list[int], list[int]] = [], []
    for row, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        parts[seen[label] % step == 0].append(row)
    return parts


def readable_entries(
    what: str, entries: Mapping[str, Entries], stamps: Mapping[str, str], check: Callable[[str], object]
) -> tuple[dict[str, Entries], str]:
    """The entries of every part that `check` can read, and a sentence on those it cannot."""
    names = {name for part in entries.values() for name, _ in part}
    bad = find_unreadable(what, {name: stamps[name] for name in sorted(names)}, check) if len(names) <= UNREAD else {}
    said = leave_out(what, bad, len(names))
    return {split: [(name, label) for name, label in part if name not in bad] for split, part in entries.items()}, said


def image_splits(what: str, files: Files, entries: Mapping[str, Entries], classes: Sequence[str], view: View) -> Splits:
    """Parts whose examples are images; `entries` has a `train` and a `test`, and perhaps a `validation`."""
    stamps = {name: files.places[name].stamp for part in entries.values() for name, _ in part}
    good, said = readable_entries(what, entries, stamps, lambda name: decode_image(files.read(name)))
    check_labels(what, good, classes)
    made = {
        split: images(files, [name for name, _ in part], [label for _, label in part], view) for split, part in good.items()
    }
    return Splits(made["train"], made.get("validation"), made["test"], tuple(classes), said)


def check_labels(what: str, entries: Mapping[str, Entries], classes: Sequence[str]) -> None:
    """Refuses parts without examples, and labels beyond the classes."""
    for split, part in entries.items():
        if not part:
            raise BadInput(f"{what}: there is no example to {'test on' if split == 'test' else 'train on'} ({split})")
        wrong = [(name, label) for name, label in part if not 0 <= label < len(classes)]
        if wrong:
            raise BadInput(
                f"{what}: {wrong[0][0]} has label {wrong[0][1]}; there are {len(classes)} classes, 0 to {len(classes) - 1}"
            )
