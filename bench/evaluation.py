"""How well a network does: mean loss and accuracy, of a case by its own loss and of a bare network by cross-entropy."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.data.reading.examples import Examples


@torch.no_grad()
def evaluate_batches(
    forward: Callable[[Tensor], Any], loss: Callable[[Any, Tensor], Tensor], batches: Iterable[Batch]
) -> tuple[float, float]:
    """Mean loss in nats and accuracy over all examples; NaN where the output is no matrix of class scores."""
    losses, hits = [], []
    for batch in batches:
        output = forward(batch.inputs)
        losses.append(loss(output, batch.labels))
        if isinstance(output, Tensor) and output.ndim == 2:
            hits.append(output.argmax(1) == batch.labels)
    accuracy = torch.cat(hits).double().mean().item() if hits else math.nan
    return torch.cat(losses).double().mean().item(), accuracy


def evaluate(case: Case, data: Examples, rows: range | list[int], size: int = 128) -> tuple[float, float]:
    """Mean loss in nats and accuracy of a case on those rows of a data set."""
    return evaluate_batches(case.model, case.loss, case.batches(data, rows, size))


def evaluate_network(model: nn.Module, data: Examples, size: int, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of a network that is no case yet; it is in eval mode then."""
    model.eval()
    loader: Any = DataLoader(data, batch_size=size)  # type: ignore[arg-type]  # torch asks for its own base class
    batches = (Batch(inputs.to(device), labels.to(device)) for inputs, labels in loader)
    return evaluate_batches(
        lambda inputs: model(inputs).float(), lambda scores, labels: F.cross_entropy(scores, labels, reduction="none"), batches
    )
