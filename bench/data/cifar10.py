"""CIFAR-10, from torchvision's folder or from files such as `train_10000.npz` and `test_2000.npz` under `DATA`/cifar10."""

import numpy as np
import torch
from torch.utils.data import TensorDataset

from pruning_oracle.bench.data.reading.data_folder import root
from pruning_oracle.bench.data.reading.npz import read_arrays
from pruning_oracle.bench.errors import BadInput

CLASSES = 10
BASE = "cifar-10-batches-py"  # torchvision's name of the folder


def load(split: str, mean: tuple[float, ...], deviation: tuple[float, ...]) -> TensorDataset:
    """The `train` or `test` images and their labels; pixels are scaled to 0 to 1, then normalised per channel."""
    images, labels = _read(split)
    scaled = torch.tensor(images).permute(0, 3, 1, 2) / 255
    shift, scale = torch.tensor(mean).view(3, 1, 1), torch.tensor(deviation).view(3, 1, 1)
    return TensorDataset((scaled - shift) / scale, torch.tensor(labels, dtype=torch.long))


def _read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, 32, 32, 3]` in 0 to 255 and labels."""
    for folder in (root(), root() / "cifar10"):
        if (folder / BASE).is_dir():
            try:
                from torchvision.datasets import CIFAR10  # noqa: PLC0415 (takes a second, and no other case needs it)

                found = CIFAR10(str(folder), train=split == "train")
            except RuntimeError as error:  # torchvision checks every file's MD5 before it reads one
                raise BadInput(f"{folder / BASE} is incomplete or corrupted: torchvision could not verify it") from error
            return found.data, np.array(found.targets)
    folder = root() / "cifar10"
    files = sorted(folder.glob(f"{split}_*.npz"))
    if not files:
        raise BadInput(f"no CIFAR-10 in {root()}: expected cifar10/{split}_*.npz or torchvision's {BASE}/ there; or set DATA")
    found = read_arrays(files[0], ("x", "y"))
    if len(found) < 2:
        raise BadInput(f"{files[0]} holds {', '.join(found)}; expected x and y")
    images, labels = found["x"], found["y"]
    whole = labels.ndim == 1 and labels.dtype.kind in "iuf" and np.isin(labels, range(CLASSES)).all()
    if images.shape != (len(labels) if whole else 0, 32, 32, 3) or not len(images):
        raise BadInput(
            f"{files[0]}: x is {images.dtype} {images.shape}, y {labels.dtype} {labels.shape};"
            " expected [n, 32, 32, 3] and n labels 0 to 9, with n at least 1"
        )
    return images, labels
