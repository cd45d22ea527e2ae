"""Fine-tuning updates: SGD on minibatches that follow from the update's number and the seed, so that runs can be resumed."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import count_right
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.registry import CASES
from pruning_oracle.bench.training.from_scratch import Augment, unchanged
from pruning_oracle.pruning.loop.gathering import EvidenceFromUpdates
from pruning_oracle.pruning.loop.state import TrainingTotals

LEARNT = tuple(name for name in PRECISIONS if name != "bfloat16")  # its 8 bits lose the small steps of fine-tuning
WORST = 1e3  # nats: fine-tuning does not recover from a larger loss


class Diverged(BadInput):
    """Fine-tuning led to a loss that is not finite or not below WORST."""


def augmentation(case: Case) -> Augment:
    """The augmentation of training examples in the case's own recipe; without a recipe, none."""
    definition = CASES.get(case.name) if case.source else None
    return definition.training.augment if definition and definition.training else unchanged


def training_minibatches(
    case: Case, settings: PruningSettings, first: int, augment: Augment, without: Collection[int] = ()
) -> Iterator[Batch]:
    """Training minibatches from update number `first` on, without end; each epoch has its own random order.

    The examples at the rows `without` are in none of them.
    """
    aside = set(without)
    rows = [row for row in range(len(case.train)) if row not in aside]
    size = min(settings.batch, len(rows))
    each = len(rows) // size
    update = first
    while True:
        epoch, place = divmod(update, each)
        drawn = torch.randperm(len(rows), generator=_generator(settings.seed, 1, epoch)).tolist()
        order = [rows[place] for place in drawn]
        for batch in case.batches(case.train, order[place * size : each * size], size):
            inputs = augment(batch.inputs.cpu(), _generator(settings.seed, 2, update)).to(batch.inputs)
            yield Batch(inputs, batch.labels)
            update += 1


def _generator(*numbers: int) -> torch.Generator:
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number) % 2**63
    return torch.Generator().manual_seed(seed)


def optimizer(model: nn.Module, settings: PruningSettings, momenta: dict[str, Tensor]) -> torch.optim.SGD:
    """SGD over all parameters of a model, starting from the given momenta (by parameter name)."""
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    made = torch.optim.SGD(model.parameters(), lr=settings.rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    for name, parameter in model.named_parameters():
        if name in momenta:
            made.state[parameter]["momentum_buffer"] = momenta[name]
    return made


def momentum_of(model: nn.Module, of: torch.optim.SGD) -> dict[str, Tensor]:
    """The optimizer's momentum of every parameter that has any, by parameter name."""
    buffers = {name: of.state[parameter].get("momentum_buffer") for name, parameter in model.named_parameters()}
    return {name: buffer for name, buffer in buffers.items() if buffer is not None}


def update_once(
    case: Case, step: torch.optim.SGD, batch: Batch, update: int, gathering: EvidenceFromUpdates
) -> tuple[float, float]:
    """Makes one update on a minibatch, watched by `gathering`; returns its mean loss and how many examples were right.

    The latter is NaN where the output is not class scores (`are_class_scores`). Raises Diverged if the loss is not below WORST.
    """
    torch.manual_seed(update)  # for dropout
    step.zero_grad()
    with gathering.watching(batch):
        output = case.model(batch.inputs)
        loss = case.losses_of(output, batch).mean()
        if not bool(loss < WORST):
            raise Diverged(f"{case.name}: the loss became {loss.item()} at fine-tuning update {update}: try a smaller --rate")
        loss.backward()
    step.step()
    return loss.item(), count_right(output, batch.labels)


def fine_tune(
    case: Case,
    step: torch.optim.SGD,
    batches: Iterable[Batch],
    first: int,
    gathering: EvidenceFromUpdates,
    learned: TrainingTotals,
    rate: Callable[[int], float] | None = None,
) -> None:
    """Makes an update for each minibatch, numbered from `first` on, and adds it to `learned`.

    If given, `rate` sets the learning rate of each update from the number of updates in `learned`.
    """
    start = time.perf_counter()
    case.model.train()
    try:
        for update, batch in enumerate(batches, first):
            if rate:
                step.param_groups[0]["lr"] = rate(learned.updates)
            loss, right = update_once(case, step, batch, update, gathering)
            learned.add(loss, right, batch.examples)
    finally:
        case.model.eval()
        step.zero_grad()
    learned.seconds += time.perf_counter() - start
