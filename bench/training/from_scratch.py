"""Trains a model from random weights by a recipe, deterministically from a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.runs.bounds import BATCH, EPOCHS, RATE, SMOOTHING, WEIGHT_DECAY, check_fields

# changes a batch of training inputs at random
Augment = Callable[[Tensor, torch.Generator], Tensor]


def unchanged(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """No augmentation: returns the inputs."""
    return inputs


@dataclass(frozen=True)
class ScratchRecipe:
    """How a model is trained from random weights: AdamW with a one-cycle learning rate on the cross-entropy of minibatches."""

    build: Callable[[], nn.Module]
    train: Callable[[], Examples]
    test: Callable[[], Examples]
    epochs: Annotated[int, EPOCHS]
    rate: Annotated[float, RATE]
    batch: Annotated[int, BATCH] = 64
    weight_decay: Annotated[float, WEIGHT_DECAY] = 1e-2
    # of labels: keeps the training loss away from 0, where a few examples would dominate the oracle
    smoothing: Annotated[float, SMOOTHING] = 0.1
    augment: Augment = unchanged

    def __post_init__(self) -> None:
        check_fields(self)


def stack(data: Examples) -> tuple[Tensor, Tensor]:
    """A whole data set as one tensor of inputs and one of labels."""
    inputs, labels = zip(*(data[row] for row in range(len(data))), strict=True)
    return torch.stack(inputs), torch.stack(labels)


def cosine(rate: float, done: float, of: float = 1.0) -> float:
    """The learning rate after `done` of `of` updates: half a cosine that falls from `rate` to 0."""
    return rate * (1 + math.cos(math.pi * done / of)) / 2


def train_from_scratch(recipe: ScratchRecipe, seed: int, label: str) -> nn.Module:
    """The model trained by `recipe`, in eval mode; the same seed, library versions and thread count give the same weights.

    BadInput if its loss or its weights become infinite or NaN.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = stack(recipe.train())
    model = recipe.build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    steps = -(-len(labels) // recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    progress = bar(total=steps, desc=f"{label} training", unit="update")
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in torch.randperm(len(labels), generator=generator).split(recipe.batch):
            optimizer.zero_grad()
            scores = model(recipe.augment(inputs[rows], generator))
            loss = F.cross_entropy(scores, labels[rows], label_smoothing=recipe.smoothing)
            value = finite_loss(loss.item(), epoch + 1, recipe.rate)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += value * len(rows)
            progress.update()
        progress.set_postfix(epoch=epoch + 1, loss=f"{total / len(labels):.3f}")
    progress.close()
    check_finite(model, recipe.rate)
    return model.eval()


def finite_loss(value: float, epoch: int, rate: float) -> float:
    """Returns the loss of an update if it is finite; else training has diverged: BadInput names the epoch and the rate."""
    if not math.isfinite(value):
        raise BadInput(f"the loss became {value} in epoch {epoch}: try a smaller --rate than {rate:g}; nothing was saved")
    return value


def check_finite(model: nn.Module, rate: float) -> None:
    """Raises BadInput if training has made a weight or a statistic infinite or NaN, which a loss shows an update later."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise BadInput(f"{name} became infinite or NaN in training: try a smaller --rate than {rate:g}; nothing was saved")
