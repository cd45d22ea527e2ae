"""Fine-tunes a trained network to other data, as the paper did: SGD with momentum on minibatches, the best epoch kept."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.data.reading.splits import Labelled, LabelledSubset, Splits, split_every
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate_network
from pruning_oracle.bench.training.augmentation import crops
from pruning_oracle.bench.training.checkpoint import CheckpointFile, TrainingProgress
from pruning_oracle.bench.training.from_scratch import Augment, cosine

HELD_OUT = 10  # every tenth example of a class chooses the epoch where the data set has no part for it


@dataclass(frozen=True)
class FineTuneRecipe:
    """How a network is fine-tuned; the defaults are the paper's for VGG-16 on birds (Molchanov 2017)."""

    build: Callable[[int], nn.Module]  # the network for a number of classes, without weights
    start: Callable[[int], nn.Module]  # the same with the weights that fine-tuning begins with, and a new head
    parts: Callable[[], Splits]
    epochs: int = 60
    rate: float = 1e-4
    batch: int = 32
    momentum: float = 0.9
    weight_decay: float = 1e-4
    adaptive: bool = False  # AdamW and a rate that falls to 0 in place of SGD, for a network that starts from nothing
    augment: Augment = crops

    @property
    def numbers(self) -> dict[str, Any]:
        """The settings as facts."""
        names = ("epochs", "rate", "batch", "momentum", "weight_decay", "adaptive")
        return {name: getattr(self, name) for name in names} | {"augment": self.augment.__name__}

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Over all parameters: nothing is frozen."""
        if self.adaptive:
            return torch.optim.AdamW(model.parameters(), lr=self.rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(model.parameters(), lr=self.rate, momentum=self.momentum, weight_decay=self.weight_decay)

    def rate_after(self, done: float) -> float:
        """The learning rate after that part of all updates: the same all along, or along half a cosine."""
        return cosine(self.rate, done) if self.adaptive else self.rate


def held_out(parts: Splits) -> tuple[Labelled, Labelled | None]:
    """The examples to learn from and those that choose the epoch; None where there are too few to spare any."""
    if parts.validation is not None:
        return parts.train, parts.validation
    learnt, held = split_every(parts.train.labels, HELD_OUT)
    return (LabelledSubset(parts.train, learnt), LabelledSubset(parts.train, held)) if held else (parts.train, None)


def fine_tune(
    recipe: FineTuneRecipe, parts: Splits, seed: int, label: str, keeper: CheckpointFile
) -> tuple[nn.Module, TrainingProgress]:
    """Fine-tunes, or goes on where `keeper` has a state: after a kill on a CPU to the same bits. The best epoch's network."""
    train, validation = held_out(parts)
    torch.manual_seed(seed)
    model = recipe.start(len(parts.classes)).to(keeper.device)
    optimizer = recipe.optimizer(model)
    progress = keeper.found(model, optimizer)
    if not progress.curve:
        progress.note(0, model, None, _judged(model, validation, recipe.batch, keeper.device), 0.0)
    steps = -(-len(train) // recipe.batch)
    bar = tqdm(total=steps * recipe.epochs, initial=steps * progress.done, desc=f"{label} fine-tuning", unit="update")
    for epoch in range(progress.done + 1, recipe.epochs + 1):
        start = time.perf_counter()
        loss = _epoch(recipe, model, optimizer, train, (seed, epoch), keeper.device, bar)
        judged = _judged(model, validation, recipe.batch, keeper.device)
        progress.note(epoch, model, loss, judged, round(time.perf_counter() - start, 2))
        bar.set_postfix(epoch=epoch, loss=f"{loss:.3f}", validation=f"{judged[1]:.2%}" if judged else "none")
        keeper(progress, model, optimizer)
    bar.close()
    model.load_state_dict(progress.best)
    return model, progress


def _epoch(
    recipe: FineTuneRecipe,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    place: tuple[int, int],
    device: torch.device,
    bar: Any,
) -> float:
    """One pass over the training set in an order, with crops and dropout, that the seed and the epoch decide; the mean loss."""
    number = place[0] * 1_000_003 + place[1]
    generator = torch.Generator().manual_seed(number)
    torch.manual_seed(number)  # of dropout
    model.train()
    total = 0.0
    order = torch.randperm(len(train), generator=generator).split(recipe.batch)
    loader: Any = DataLoader(train, batch_sampler=[rows.tolist() for rows in order])  # type: ignore[arg-type]  # as in Case
    for update, (inputs, labels) in enumerate(loader):
        optimizer.param_groups[0]["lr"] = recipe.rate_after((place[1] - 1 + update / len(order)) / recipe.epochs)
        optimizer.zero_grad()
        with _mixed(device):
            scores = model(recipe.augment(inputs.to(device), generator))
        loss = F.cross_entropy(scores.float(), labels.to(device))
        if not math.isfinite(loss.item()):
            raise BadInput(f"the loss became {loss.item()} in epoch {place[1]}: try a smaller --rate than {recipe.rate:g}")
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        bar.update()
    return total / len(train)


def _judged(model: nn.Module, data: Examples | None, size: int, device: torch.device) -> tuple[float, float] | None:
    """Mean loss and accuracy; None without examples."""
    return None if data is None else evaluate_network(model, data, size, device)


def _mixed(device: torch.device) -> torch.autocast:
    """Mixed precision on a GPU: bfloat16 needs no scaling of the loss."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
