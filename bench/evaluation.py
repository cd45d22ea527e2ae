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


@torch.no_grad()
def evaluate_batches(
    forward: Callable[[Tensor], Any], loss: Callable[[Any, Tensor], Tensor], batches: Iterable[Batch]
) -> tuple[float, float]:
    """Mean loss in nats and accuracy (0 to 1) over all examples; accuracy is NaN if outputs are not `[example, class]`."""
    losses, hits = [], []
    for batch in batches:
        output = forward(batch.inputs)
        losses.append(loss(output, batch.labels))
        if isinstance(output, Tensor) and output.ndim == 2:
            hits.append(output.argmax(1) == batch.labels)
    accuracy = torch.cat(hits).double().mean().item() if hits else math.nan
    return torch.cat(losses).double().mean().item(), accuracy


def evaluate(case: Case, data: Examples, rows: range | list[int], size: int = 128) -> tuple[float, float]:
    """Mean loss in nats and accuracy of a case on the examples of `data` at `rows`, `size` at a time."""
    return evaluate_batches(case.model, case.loss, case.batches(data, rows, size))


def evaluate_network(model: nn.Module, data: Examples, size: int, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of a network outside a case; leaves it in eval mode."""
    model.eval()
    loader: Any = DataLoader(data, batch_size=size)  # type: ignore[arg-type]  # torch's types ask for its Dataset
    batches = (Batch(inputs.to(device), labels.to(device)) for inputs, labels in loader)
    return evaluate_batches(
        lambda inputs: model(inputs).float(), lambda scores, labels: F.cross_entropy(scores, labels, reduction="none"), batches
    )
