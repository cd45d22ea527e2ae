"""Trains a model from random weights by a recipe, deterministically from a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from pruning_oracle.bench.data.reading.examples import Examples

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
    epochs: int
    rate: float
    batch: int = 64
    weight_decay: float = 1e-2
    smoothing: float = 0.1  # of labels: keeps the training loss away from 0, where a few examples would dominate the oracle
    augment: Augment = unchanged


def stack(data: Examples) -> tuple[Tensor, Tensor]:
    """A whole data set as one tensor of inputs and one of labels."""
    inputs, labels = zip(*(data[row] for row in range(len(data))), strict=True)
    return torch.stack(inputs), torch.stack(labels)


def cosine(rate: float, done: float, of: float = 1.0) -> float:
    """The learning rate after `done` of `of` updates: half a cosine that falls from `rate` to 0."""
    return rate * (1 + math.cos(math.pi * done / of)) / 2


def train_from_scratch(recipe: ScratchRecipe, seed: int, label: str) -> nn.Module:
    """The model trained by `recipe`, in eval mode; the same seed, library versions and thread count give the same weights."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = stack(recipe.train())
    model = recipe.build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    steps = -(-len(labels) // recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    progress = tqdm(total=steps, desc=f"{label} training", unit="update")
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in torch.randperm(len(labels), generator=generator).split(recipe.batch):
            optimizer.zero_grad()
            scores = model(recipe.augment(inputs[rows], generator))
            loss = F.cross_entropy(scores, labels[rows], label_smoothing=recipe.smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
            progress.update()
        progress.set_postfix(epoch=epoch + 1, loss=f"{total / len(labels):.3f}")
    progress.close()
    return model.eval()
