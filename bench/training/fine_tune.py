"""Fine-tunes a trained network on other data, as the paper did: SGD with momentum on minibatches, keeping the best epoch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.data.reading.splits import Labelled, LabelledSubset, Splits, split_every
from pruning_oracle.bench.evaluation import evaluate_network
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.runs.bounds import BATCH, EPOCHS, MOMENTUM, RATE, WEIGHT_DECAY, check_fields
from pruning_oracle.bench.training.augmentation import crops
from pruning_oracle.bench.training.checkpoint import CheckpointFile, TrainingProgress
from pruning_oracle.bench.training.from_scratch import Augment, check_finite, cosine, finite_loss

HELD_OUT = 10  # every tenth example of a class is for validation if the data set has no part for it


@dataclass(frozen=True)
class FineTuneRecipe:
    """How a network is fine-tuned; the defaults are the paper's for VGG-16 on birds (Molchanov 2017)."""

    build: Callable[[int], nn.Module]  # the network for a number of classes, with random weights
    start: Callable[[int], nn.Module]  # that network with the weights that fine-tuning starts from, and a new head
    parts: Callable[[], Splits]  # the data set
    epochs: Annotated[int, EPOCHS] = 60
    rate: Annotated[float, RATE] = 1e-4
    batch: Annotated[int, BATCH] = 32
    momentum: Annotated[float, MOMENTUM] = 0.9
    weight_decay: Annotated[float, WEIGHT_DECAY] = 1e-4
    adaptive: bool = False  # AdamW and a rate that falls to 0 instead of SGD, for a network with random weights
    augment: Augment = crops

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def numbers(self) -> dict[str, Any]:
        """The settings as a run file stores them."""
        names = ("epochs", "rate", "batch", "momentum", "weight_decay", "adaptive")
        return {name: getattr(self, name) for name in names} | {"augment": self.augment.__name__}

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of all the model's parameters; none is frozen."""
        if self.adaptive:
            return torch.optim.AdamW(model.parameters(), lr=self.rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(model.parameters(), lr=self.rate, momentum=self.momentum, weight_decay=self.weight_decay)

    def rate_after(self, done: float) -> float:
        """The learning rate when the share `done` (0 to 1) of all updates is done: constant, or half a cosine if `adaptive`."""
        return cosine(self.rate, done) if self.adaptive else self.rate


def held_out(parts: Splits) -> tuple[Labelled, Labelled | None]:
    """The examples for training, and those for validation, which choose the best epoch.

    Without a validation part, every tenth training example of a class is held out; None if no class has ten.
    """
    if parts.validation is not None:
        return parts.train, parts.validation
    learnt, held = split_every(parts.train.labels, HELD_OUT)
    return (LabelledSubset(parts.train, learnt), LabelledSubset(parts.train, held)) if held else (parts.train, None)


def fine_tune(
    recipe: FineTuneRecipe, parts: Splits, seed: int, label: str, keeper: CheckpointFile
) -> tuple[nn.Module, TrainingProgress]:
    """Fine-tunes a network, or goes on from the state in `keeper`; returns it as of its best epoch, and the progress.

    On a CPU, a run that was killed and goes on ends with the same weights, bit for bit.
    """
    train, validation = held_out(parts)
    torch.manual_seed(seed)
    model = recipe.start(len(parts.classes)).to(keeper.device)
    optimizer = recipe.optimizer(model)
    progress = keeper.found(model, optimizer)
    if not progress.curve:
        progress.note(0, model, None, _judged(model, validation, recipe.batch, keeper.device), 0.0)
    steps = -(-len(train) // recipe.batch)
    shown = bar(total=steps * recipe.epochs, initial=steps * progress.done, desc=f"{label} fine-tuning", unit="update")
    for epoch in range(progress.done + 1, recipe.epochs + 1):
        start = time.perf_counter()
        loss = _epoch(recipe, model, optimizer, train, (seed, epoch), keeper.device, shown)
        check_finite(model, recipe.rate)
        judged = _judged(model, validation, recipe.batch, keeper.device)
        progress.note(epoch, model, loss, judged, round(time.perf_counter() - start, 2))
        shown.set_postfix(epoch=epoch, loss=f"{loss:.3f}", validation=f"{judged[1]:.2%}" if judged else "none")
        keeper(progress, model, optimizer)
    shown.close()
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
    """One pass over the training set; returns the mean loss.

    `place`, the seed and the epoch, decides the order of the examples, the augmentation and dropout.
    """
    number = place[0] * 1_000_003 + place[1]
    generator = torch.Generator().manual_seed(number)
    torch.manual_seed(number)  # for dropout
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
        # the one moment of an update at which the processor waits for a GPU
        value = finite_loss(loss.item(), place[1], recipe.rate)
        loss.backward()
        optimizer.step()
        total += value * len(labels)
        bar.update()
    return total / len(train)


def _judged(model: nn.Module, data: Examples | None, size: int, device: torch.device) -> tuple[float, float] | None:
    """Mean loss in nats and accuracy on `data`; None if there are no examples."""
    return None if data is None else evaluate_network(model, data, size, device)


def _mixed(device: torch.device) -> torch.autocast:
    """Mixed precision on a GPU, none on a CPU; in bfloat16 the loss needs no scaling."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu")
