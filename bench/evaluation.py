"""Mean loss and accuracy of a network: by the case's own loss for a case, by cross-entropy for any other network."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.labels import are_classes


def are_class_scores(output: Any, labels: Any) -> bool:
    """Whether an output is scores `[example, class]` of several classes, and labels are one of these classes per example."""
    if not (isinstance(output, Tensor) and output.ndim == 2 and output.shape[1] > 1 and are_classes(labels)):
        return False
    return len(output) == len(labels) and bool(((labels >= 0) & (labels < output.shape[1])).all())


def count_right(output: Any, labels: Any) -> float:
    """How many examples have their highest score at their label; NaN unless `are_class_scores`."""
    return float((output.argmax(1) == labels).sum()) if are_class_scores(output, labels) else math.nan


@torch.no_grad()
def evaluate_batches(
    forward: Callable[[Tensor], Any], loss: Callable[[Any, Batch], Tensor], batches: Iterable[Batch]
) -> tuple[float, float]:
    """Mean loss in nats and accuracy (0 to 1) over all examples; accuracy is NaN unless outputs are class scores."""
    losses, right = [], 0.0
    for batch in batches:
        output = forward(batch.inputs)
        losses.append(loss(output, batch))
        right += count_right(output, batch.labels)
    every = torch.cat(losses).double()
    return every.mean().item(), right / len(every)


def evaluate(case: Case, data: Examples, rows: range | list[int], size: int = 128) -> tuple[float, float]:
    """Mean loss in nats and accuracy of a case on the examples of `data` at `rows`, `size` at a time."""
    return evaluate_batches(case.model, case.losses_of, case.batches(data, rows, size))


def evaluate_network(model: nn.Module, data: Examples, size: int, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of a network outside a case; leaves it in eval mode."""
    model.eval()
    loader: Any = DataLoader(data, batch_size=size)  # type: ignore[arg-type]  # torch's types ask for its Dataset
    batches = (Batch(inputs.to(device), labels.to(device)) for inputs, labels in loader)
    return evaluate_batches(
        lambda inputs: model(inputs).float(),
        lambda scores, batch: F.cross_entropy(scores, batch.labels, reduction="none"),
        batches,
    )
