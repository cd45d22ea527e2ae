"""Examples from a NumPy .npz file: the arrays `x` and `y`, and `x_test` and `y_test` if it has a test part.

If it has none, every fifth example of a class is for testing. Arrays of type uint8 are images `[n, height, width, colour]` or
`[n, height, width]`, which are normalised; floating-point arrays `[n, channel, …]` are taken as they are.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from pruning_oracle.bench.data.reading.images import DEVIATION, MEAN, View
from pruning_oracle.bench.data.reading.splits import TEST, LabelledSubset, Splits, split_every
from pruning_oracle.bench.errors import BadInput


class ArrayExamples(TensorDataset):
    """A data set of a tensor of inputs and a tensor of labels."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        super().__init__(inputs, labels)
        self.labels = labels.tolist()


def load(path: Path) -> Splits:
    """The parts of the .npz file at `path`; classes are the numbers from 0 to the largest label. BadInput names a bad array."""
    found = _read(path)
    whole = ArrayExamples(*_pair(path, found, "x", "y"))
    labels = [*whole.labels]
    if "x_test" in found:
        test = ArrayExamples(*_pair(path, found, "x_test", "y_test"))
        if test.tensors[0].shape[1:] != whole.tensors[0].shape[1:]:
            raise BadInput(f"{path}: x_test is {found['x_test'].shape}, but x is {found['x'].shape}")
        labels += test.labels
        classes = _classes(path, labels)
        return Splits(whole, None, test, classes)
    classes = _classes(path, labels)
    rows = split_every(labels, TEST)
    return Splits(LabelledSubset(whole, rows[0]), None, LabelledSubset(whole, rows[1]), classes)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise BadInput(f"no file {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path} is truncated or no .npz ({type(error).__name__})") from error


def _pair(path: Path, found: dict[str, np.ndarray], x: str, y: str) -> tuple[Tensor, Tensor]:
    if x not in found or y not in found:
        raise BadInput(f"{path} holds {', '.join(found) or 'nothing'}; expected x and y, and x_test and y_test if it is split")
    inputs, labels = found[x], found[y]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(inputs) or not len(labels):
        raise BadInput(
            f"{path}: {y} is {labels.dtype} {labels.shape}; expected one whole number for each of the {len(inputs)} in {x}"
        )
    if inputs.dtype == np.uint8:
        return _normalised(path, inputs), torch.from_numpy(labels.astype(np.int64))
    if inputs.dtype.kind != "f" or inputs.ndim < 3 or not np.isfinite(inputs).all():
        raise BadInput(
            f"{path}: {x} is {inputs.dtype} {inputs.shape}; expected uint8 images, or finite numbers [n, channel, …]"
        )
    return torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))


def _normalised(path: Path, images: np.ndarray) -> Tensor:
    stacked = images[..., None] if images.ndim == 3 else images
    if stacked.ndim != 4 or stacked.shape[3] not in (1, 3):
        raise BadInput(
            f"{path}: uint8 {images.shape}; expected [n, height, width], or [n, height, width, colour] with 1 or 3 colours"
        )
    mean, deviation = (MEAN, DEVIATION) if stacked.shape[3] == 3 else ((0.5,), (0.5,))
    return View(mean=mean, deviation=deviation).normalise(torch.from_numpy(stacked).permute(0, 3, 1, 2))


def _classes(path: Path, labels: list[int]) -> tuple[str, ...]:
    if min(labels) < 0 or max(labels) < 1:
        raise BadInput(f"{path}: labels are {min(labels)} to {max(labels)}; expected at least two classes, 0 and up")
    return tuple(str(label) for label in range(max(labels) + 1))
