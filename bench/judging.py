"""How well a network does before it is a case: cross-entropy and accuracy; a case's own loss is for `evaluation.py`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from bench.data import Examples


@torch.no_grad()
def judge(model: nn.Module, data: Examples, size: int, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy of class scores; the network is in eval mode then."""
    model.eval()
    losses, hits = [], []
    for inputs, labels in DataLoader(data, batch_size=size):  # type: ignore[arg-type]
        scores: Tensor = model(inputs.to(device)).float().cpu()
        losses.append(F.cross_entropy(scores, labels, reduction="none"))
        hits.append(scores.argmax(1) == labels)
    return torch.cat(losses).double().mean().item(), torch.cat(hits).double().mean().item()
