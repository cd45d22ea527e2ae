"""How well a case's model does: loss and accuracy on its own training or test examples."""

import math

import torch
from torch import Tensor

from bench.case import Case
from bench.data import Examples


def evaluate(case: Case, data: Examples, rows: range | list[int], size: int = 128) -> tuple[float, float]:
    """Mean loss in nats and accuracy; the accuracy is NaN where the model's output is no matrix of class scores."""
    losses, hits = [], []
    with torch.no_grad():
        for batch in case.batches(data, rows, size):
            output = case.model(batch.inputs)
            losses.append(case.loss(output, batch.labels))
            if isinstance(output, Tensor) and output.ndim == 2:
                hits.append(output.argmax(1) == batch.labels)
    accuracy = torch.cat(hits).double().mean().item() if hits else math.nan
    return torch.cat(losses).double().mean().item(), accuracy
