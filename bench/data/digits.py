"""Real handwritten digits: scikit-learn's 1,797 images of 8 × 8, scaled up to 32 × 32."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset

CLASSES = 10
HELD_OUT = 360


@functools.cache
def load() -> tuple[TensorDataset, TensorDataset]:
    """Training (1,437) and held-out (360) digits, stratified, the same split for every seed; pixels in −1 to 1."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 (a second's import that only this data set needs)
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits = load_digits()
    small = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    images = F.interpolate(small / 8 - 1, size=(32, 32), mode="bilinear", align_corners=False)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=HELD_OUT, stratify=digits.target, random_state=0)
    return TensorDataset(images[train], labels[train]), TensorDataset(images[test], labels[test])


def train() -> TensorDataset:
    """The 1,437 digits to train on."""
    return load()[0]


def test() -> TensorDataset:
    """The 360 held-out digits."""
    return load()[1]


def jitter(
    images: Float[Tensor, "example 1 height width"], generator: torch.Generator
) -> Float[Tensor, "example 1 height width"]:
    """Training augmentation: each digit turned by up to 10°, scaled by up to 10 %, shifted by up to 3 pixels."""
    turn, scale, right, down = (torch.rand(4, len(images), generator=generator) * 2 - 1).unbind()
    turn, scale, shift = turn * math.radians(10), 1 + scale * 0.1, 3 / 16
    rows = [scale * turn.cos(), -scale * turn.sin(), right * shift, scale * turn.sin(), scale * turn.cos(), down * shift]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
