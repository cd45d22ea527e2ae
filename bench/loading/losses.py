"""The default loss, and what is asked of every loss before anything is measured with it."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case, Check, Loss, fits_any
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import are_classes, described

TRIED = [1, 0, 1]  # of two training examples: a batch of them in which each is beside others, and beside more of them
ROUNDING, COARSE = 1e-4, 1e-3  # relative differences that rounding causes in a loss, and in one of a network run again


def cross_entropy(output: Any, labels: Any) -> Float[Tensor, " example"]:
    """Cross-entropy per example, in nats, of scores `[example, class]`; BadInput for other outputs or labels out of range."""
    check_class_scores(output, labels)
    return _cross_entropy(output, labels)


def _cross_entropy(output: Any, labels: Any) -> Float[Tensor, " example"]:
    scores = output if output.dtype is torch.float64 else output.float()  # a network may end in half precision
    return F.cross_entropy(scores, labels.long(), reduction="none")


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
def losses_of_two(case: Case) -> Float[Tensor, " example"]:
    """The losses of the first two training examples; BadInput if one is not finite, or changes with the others of a batch.

    The case needs no sites; its network comes from `plain_copy`.
    """
    two, three = (next(case.batches(case.train, rows, len(rows))) for rows in ([0, 1], TRIED))
    output = case.model(two.inputs)
    losses = case.losses_of(output, two)
    for row, value in enumerate(losses.tolist()):
        if not math.isfinite(value):
            raise BadInput(f"the loss is {value} on training example {row}: it must be a finite number")
    try:
        again = case.losses_of(tree.tree_map_only(Tensor, _taken, output), three)
        if _close(losses, again, ROUNDING):
            return losses
    except BadInput:  # examples do not lie where `_taken` looks for them
        pass
    again = case.losses_of(case.model(three.inputs), three)
    if not _close(losses, again, COARSE):
        place = int((losses[TRIED] - again).abs().argmax())
        one, other = f"{losses[TRIED[place]]:.4g}", f"{again[place]:.4g}"
        raise BadInput(
            f"the loss of training example {TRIED[place]} is {one} in one batch and {other} in another:"
            " it must not depend on the other examples of the batch"
        )
    return losses


def _taken(output: Tensor) -> Tensor:
    """The examples in `TRIED` of an output for two examples: along the first axis of that length, if there is one."""
    axis = output.shape.index(2) if 2 in output.shape else None
    return output if axis is None else output.index_select(axis, torch.tensor(TRIED))


def _close(losses: Tensor, again: Tensor, tolerance: float) -> bool:
    return torch.allclose(losses[TRIED], again, rtol=tolerance, atol=ROUNDING / 10)
