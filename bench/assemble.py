"""Turns a trained model, its data and its loss into a Case: finds the sites, and refuses what would spoil an oracle."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from bench import sites
from bench.case import Case, Loss, Site
from bench.data import Examples
from bench.errors import BadInput
from bench.gates import Gate


def cross_entropy(output: Float[Tensor, "example class"], labels: Int[Tensor, " example"]) -> Float[Tensor, " example"]:
    """Cross-entropy per example, in nats."""
    classes = output.shape[1]
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise BadInput(
            f"label {int(outside[0])} is out of range: the model has {classes} classes, so labels are 0 to {classes - 1}"
        )
    return F.cross_entropy(output, labels, reduction="none")


def assemble(
    model: nn.Module,
    train: Examples,
    test: Examples,
    *,
    loss: Loss = cross_entropy,
    examples: int = 512,
    why: str = "the default",
    carried: Sequence[Site] = (),
) -> Case:
    """A Case from a model in eval mode and two map-style data sets of `(input, label)`.

    The model is copied and traced, and its sites are found. A model that cannot be traced holds Gate modules of its own and
    names them in `carried`. `examples` of the training set, in a fixed order, make the oracle; say `why` that many.
    """
    training = [name or "the model itself" for name, module in model.named_modules() if module.training]
    if training:
        raise BadInput(
            f"the model is in train mode ({training[0]}): call model.eval(), since batch statistics would couple examples"
        )
    if len(train) < 6:
        raise BadInput(f"the training set holds {len(train)} examples; at least 6 are needed, 3 shared and 3 fresh")
    if carried:
        _check_carried(model, carried)
        return Case(model, tuple(carried), (), train, test, loss, examples, why)
    inputs = torch.stack([train[row][0] for row in range(2)])
    gated, found, left_out = sites.find(model, inputs)
    if not found:
        reasons = "; ".join(f"{out.convolution}: {out.reason}" for out in left_out[:3])
        raise BadInput(f"{type(model).__name__} has no map that can be removed ({reasons})")
    return Case(gated, found, left_out, train, test, loss, examples, why)


def _check_carried(model: nn.Module, carried: Sequence[Site]) -> None:
    modules = dict(model.named_modules())
    for site in carried:
        for name in (*site.convolutions, *site.gates):
            if name not in modules:
                raise BadInput(f"site {site.name!r} names {name!r}, but the model has no such module")
        for name in site.gates:
            if not isinstance(modules[name], Gate):
                raise BadInput(f"site {site.name!r} names {name!r} as a gate, but it is a {type(modules[name]).__name__}")
