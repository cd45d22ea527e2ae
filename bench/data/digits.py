"""Real handwritten digits: the 1,797 images of 8 × 8 of UCI's "Optical Recognition of Handwritten Digits", scaled to 32 × 32.

`digits.npz` holds them as scikit-learn ships them (E. Alpaydin, C. Kaynak, 1998, licence CC BY 4.0), and their split into
training and test digits, as `train_test_split(…, test_size=360, stratify=labels, random_state=0)` made it.
"""

import functools
import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset

CLASSES = 10


@functools.cache
def load() -> tuple[TensorDataset, TensorDataset]:
    """The training (1,437) and test (360) digits, stratified by class, the same for every seed; pixels are −1 to 1."""
    with np.load(Path(__file__).parent / "digits.npz", allow_pickle=False) as file:
        small = torch.from_numpy(file["images"]).float()[:, None]  # 0 to 16
        labels = torch.from_numpy(file["labels"]).long()
        train, test = (torch.from_numpy(file[split]).long() for split in ("train", "test"))
    images = F.interpolate(small / 8 - 1, size=(32, 32), mode="bilinear", align_corners=False)
    return TensorDataset(images[train], labels[train]), TensorDataset(images[test], labels[test])


def train() -> TensorDataset:
    """The 1,437 training digits."""
    return load()[0]


def test() -> TensorDataset:
    """The 360 test digits, held out from training."""
    return load()[1]


def jitter(
    images: Float[Tensor, "example 1 height width"], generator: torch.Generator
) -> Float[Tensor, "example 1 height width"]:
    """Training augmentation: rotates each digit by up to 10°, scales it by up to 10 % and shifts it by up to 3 pixels."""
    turn, scale, right, down = (torch.rand(4, len(images), generator=generator) * 2 - 1).unbind()
    turn, scale, shift = turn * math.radians(10), 1 + scale * 0.1, 3 / 16
    rows = [scale * turn.cos(), -scale * turn.sin(), right * shift, scale * turn.sin(), scale * turn.cos(), down * shift]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
