"""Examples from a NumPy .npz file: the arrays `x` and `y`, and `x_test` and `y_test` if it has a test part.

If it has none, every fifth example of a class is for testing. Arrays of type uint8 are images `[n, height, width, colour]` or
`[n, height, width]`, which are normalised; floating-point arrays `[n, channel, …]` are taken as they are.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from pruning_oracle.bench.data.reading.images import DEVIATION, MEAN, View
from pruning_oracle.bench.data.reading.npz import read_arrays
from pruning_oracle.bench.data.reading.splits import TEST, LabelledSubset, Splits, split_every
from pruning_oracle.bench.data.reading.unreadable import leave_out
from pruning_oracle.bench.errors import BadInput

MOST_CLASSES = 100_000  # more than any data set of images has: a label is no number of anything else


class ArrayExamples(TensorDataset):
    """A data set of a tensor of inputs and a tensor of labels."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        super().__init__(inputs, labels)
        self.labels = labels.tolist()


def load(path: Path) -> Splits:
    """The parts of the .npz file at `path`; classes are the numbers from 0 to the largest label. BadInput names a bad array."""
    found = read_arrays(path, ("x", "y", "x_test", "y_test"))
    whole = ArrayExamples(*_pair(path, found, "x", "y"))
    labels = [*whole.labels]
    if "x_test" in found:
        test = ArrayExamples(*_pair(path, found, "x_test", "y_test"))
        if test.tensors[0].shape[1:] != whole.tensors[0].shape[1:]:
            raise BadInput(f"{path}: x_test is {found['x_test'].shape}, but x is {found['x'].shape}")
        classes, said = _classes(path, labels + test.labels)
        return Splits(whole, None, test, classes, said)
    classes, said = _classes(path, labels)
    rows = split_every(labels, TEST)
    if not rows[1]:
        raise BadInput(f"{path}: there is no example to test on: give x_test and y_test, or {TEST} examples of some class")
    return Splits(LabelledSubset(whole, rows[0]), None, LabelledSubset(whole, rows[1]), classes, said)


def _pair(path: Path, found: dict[str, np.ndarray], x: str, y: str) -> tuple[Tensor, Tensor]:
    if x not in found or y not in found:
        raise BadInput(f"{path} holds {', '.join(found)}; expected x and y, and x_test and y_test if it is split")
    inputs, labels = found[x], found[y]
    if not inputs.ndim or labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(inputs) or not len(labels):
        count = len(inputs) if inputs.ndim else 0
        raise BadInput(
            f"{path}: {y} is {labels.dtype} {labels.shape}; expected one whole number for each of the {count} in {x}"
        )
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= MOST_CLASSES:
        raise BadInput(f"{path}: {y} has labels {least} to {most}; allowed are 0 to {MOST_CLASSES - 1}")
    return _inputs(path, x, inputs), torch.from_numpy(labels.astype(np.int64))


def _inputs(path: Path, x: str, inputs: np.ndarray) -> Tensor:
    if inputs.dtype == np.uint8:
        return _normalised(path, inputs)
    expected = "expected uint8 images, or finite numbers [n, channel, …]"
    if inputs.dtype.kind != "f" or inputs.ndim < 3 or not inputs.size:
        raise BadInput(f"{path}: {x} is {inputs.dtype} {inputs.shape}; {expected}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is named below
        narrow = inputs.astype(np.float32)
    whole = np.isfinite(narrow).reshape(len(narrow), -1).all(1)
    if not whole.all():
        row = int(whole.argmin())
        value = inputs[row][~np.isfinite(narrow[row])][0]
        raise BadInput(f"{path}: {x} is {inputs.dtype} {inputs.shape}; {expected} of float32, but example {row} holds {value}")
    return torch.from_numpy(narrow)


def _normalised(path: Path, images: np.ndarray) -> Tensor:
    stacked = images[..., None] if images.ndim == 3 else images
    if stacked.ndim != 4 or stacked.shape[3] not in (1, 3) or not stacked.size:
        raise BadInput(
            f"{path}: uint8 {images.shape}; expected [n, height, width], or [n, height, width, colour] with 1 or 3 colours"
        )
    mean, deviation = (MEAN, DEVIATION) if stacked.shape[3] == 3 else ((0.5,), (0.5,))
    return View(mean=mean, deviation=deviation).normalise(torch.from_numpy(stacked).permute(0, 3, 1, 2))


def _classes(path: Path, labels: list[int]) -> tuple[tuple[str, ...], str]:
    """The classes, and a sentence on those of which there is no example."""
    if max(labels) < 1:
        raise BadInput(f"{path}: labels are 0 to 0; expected at least two classes, 0 and up")
    classes, known = [str(label) for label in range(max(labels) + 1)], set(map(str, labels))
    empty = {name: "an empty class" for name in classes if name not in known}
    return tuple(classes), leave_out(f"{path}: classes", empty, len(classes))
