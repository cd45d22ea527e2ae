"""The default loss, and what is asked of every loss before anything is measured with it."""

import copy
import dataclasses
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case, Check, Loss, fits_any
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import are_classes, described

TRIED = ([0, 1, 2], [2, 0])  # training examples in two batches, so that two of them change their company
RELATIVE, ABSOLUTE = 1e-2, 1e-5  # how much rounding may move a loss from one batch to another, in nats


def cross_entropy(output: Any, labels: Any) -> Float[Tensor, " example"]:
    """Cross-entropy per example, in nats, of scores `[example, class]`; BadInput for other outputs or labels out of range."""
    check_class_scores(output, labels)
    return _cross_entropy(output, labels)


def _cross_entropy(output: Any, labels: Any) -> Float[Tensor, " example"]:
    return F.cross_entropy(output, labels.long(), reduction="none")


def loss_and_check(loss: Loss) -> tuple[Loss, Check]:
    """A loss without its check of outputs and labels, and the check: once per batch is enough, as it waits for the device."""
    return (_cross_entropy, check_class_scores) if loss is cross_entropy else (loss, fits_any)


def check_class_scores(output: Any, labels: Any) -> None:
    """Raises BadInput unless the output is scores `[example, class]` and labels are one class of these per example."""
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise BadInput(
            f"the default loss takes class scores [example, class], but the model gives {described(output)}:"
            " give assemble a loss"
        )
    if not are_classes(labels):
        raise BadInput(f"the default loss takes one whole number per example as its label, but gets {described(labels)}")
    classes = output.shape[1]
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise BadInput(
            f"label {int(outside[0])} is out of range: the model has {classes} classes, so labels are 0 to {classes - 1}"
        )


@torch.no_grad()
def check_loss(case: Case) -> None:
    """Raises BadInput unless the loss is a finite number for every example that no other example of its batch changes.

    Tried on the first three training examples, on the CPU in float32; the case needs no sites for it.
    """
    if any(parameter.device.type != "cpu" or parameter.dtype != torch.float32 for parameter in case.model.parameters()):
        case = dataclasses.replace(case, model=copy.deepcopy(case.model).cpu().float())
    batches = [next(case.batches(case.train, rows, len(rows))) for rows in TRIED]
    outputs = [case.model(batch.inputs) for batch in batches]
    first, second = (case.losses_of(output, batch) for output, batch in zip(outputs, batches, strict=True))
    for row, value in enumerate(first.tolist()):
        if not torch.tensor(value).isfinite():
            raise BadInput(f"the loss is {value} on training example {row}: it must be a finite number")
    again = first[TRIED[1]]
    moved = ~torch.isclose(again, second, rtol=RELATIVE, atol=ABSOLUTE)
    if bool(moved.any()):
        place = int(moved.nonzero()[0])
        differ = f"is {again[place]:.4g} in one batch and {second[place]:.4g} in another"
        raise BadInput(
            f"the loss of training example {TRIED[1][place]} {differ}:"
            f" {_culprit(case.model, *outputs)} must treat each example of a batch by itself"
        )


def _culprit(model: nn.Module, first: Any, second: Any) -> str:
    """What makes examples of a batch affect one another: the network, if its own outputs change with the batch, or the loss."""
    for ours, theirs in zip(tree.tree_leaves(first), tree.tree_leaves(second), strict=False):
        if isinstance(ours, Tensor) and ours.shape[:1] == (3,) and theirs.shape == (2, *ours.shape[1:]):
            if torch.allclose(ours[TRIED[1]].double(), theirs.double(), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
                continue
            named = [name for name, part in model.named_modules() if isinstance(part, _NormBase) and part.running_mean is None]
            return f"the network (its {named[0]} takes statistics of the batch)" if named else "the network"
    return "the loss"
