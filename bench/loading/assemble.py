"""Turns a trained model, its data and its loss into a Case: finds the sites, and refuses what would make an oracle wrong."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn import functional as F

from pruning_oracle.bench.case import Case, Loss, Site
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import sites
from pruning_oracle.bench.network.any_batch import check_batch_of_one, keep_axes
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.runs.bounds import EXAMPLES

# the network made for smaller inputs, and a batch of two such inputs
Probe = tuple[nn.Module, Tensor]


def cross_entropy(output: Any, labels: Tensor) -> Float[Tensor, " example"]:
    """Cross-entropy per example, in nats, of scores `[example, class]`; BadInput for other outputs or labels out of range."""
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise BadInput(
            f"the default loss takes class scores [example, class], but the model gives {_describe(output)}:"
            " give assemble a loss"
        )
    if labels.is_floating_point() or labels.ndim != 1:
        raise BadInput(f"the default loss takes one whole number per example as its label, but gets {_describe(labels)}")
    classes = output.shape[1]
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise BadInput(
            f"label {int(outside[0])} is out of range: the model has {classes} classes, so labels are 0 to {classes - 1}"
        )
    return F.cross_entropy(output, labels.long(), reduction="none")


def _describe(value: Any) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def assemble(
    model: nn.Module,
    train: Examples,
    test: Examples,
    *,
    loss: Loss = cross_entropy,
    examples: int = 512,
    why: str = "the default",
    carried: Sequence[Site] = (),
    probe: Probe | None = None,
) -> Case:
    """Makes a Case of a model in eval mode and two map-style data sets of `(input, label)`.

    The model is copied and traced, and its sites are found. A model that cannot be traced must contain Gate modules itself;
    `carried` then lists its sites. The oracle uses `examples` of the training examples; `why` is the reason for that number.
    Where finding the sites on large inputs takes minutes, `probe` gives the same network made for smaller inputs, and a batch
    of two such inputs. BadInput names what is wrong with the model or the data.
    """
    training = [name or "the model itself" for name, module in model.named_modules() if module.training]
    if training:
        raise BadInput(
            f"the model is in train mode ({training[0]}): call model.eval(), since batch statistics would couple examples"
        )
    EXAMPLES.check("examples", examples)
    if not len(test):
        raise BadInput("the test set holds no examples; at least 1 is needed")
    if len(train) < 6:
        raise BadInput(f"the training set holds {len(train)} examples; at least 6 are needed, 3 shared and 3 fresh")
    tensors = [*model.named_parameters(), *model.named_buffers()]
    broken = [name for name, tensor in tensors if tensor.is_floating_point() and not bool(tensor.isfinite().all())]
    if broken:
        raise BadInput(f"the model's {broken[0]} holds numbers that are not finite")
    inputs = _two(train)
    _try(model, inputs)
    if carried:
        _check_carried(model, carried)
        own = copy.deepcopy(model)
        if isinstance(own, fx.GraphModule):
            keep_axes(own, inputs)
        return check_batch_of_one(Case(own, tuple(carried), (), train, test, loss, examples, why), type(model).__name__)
    gated, found, left_out = sites.find_sites(*(probe or (model, inputs)))
    if not found:
        reasons = "; ".join(f"{out.convolution}: {out.reason}" for out in left_out[:3])
        raise BadInput(f"{type(model).__name__} has no map that can be removed ({reasons})")
    if probe:
        _take_over(gated, model, inputs)
    return check_batch_of_one(Case(gated, found, left_out, train, test, loss, examples, why), type(model).__name__)


def _two(train: Examples) -> Tensor:
    """A batch of the inputs of the first two training examples; BadInput if these are not pairs with inputs of one shape."""
    pairs = [train[row] for row in range(2)]
    for row, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], Tensor):
            raise BadInput(
                f"training example {row} is a {type(pair).__name__}; it must be a pair of an input tensor and a label"
            )
    if pairs[0][0].shape != pairs[1][0].shape:
        raise BadInput(f"training inputs differ in shape: {tuple(pairs[0][0].shape)} and {tuple(pairs[1][0].shape)}")
    return torch.stack([pair[0] for pair in pairs])


@torch.no_grad()
def _try(model: nn.Module, inputs: Tensor) -> None:
    """Raises BadInput if the model fails on inputs from its own data set."""
    try:
        model(inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{type(model).__name__} fails on its own data, {inputs.dtype} of {tuple(inputs.shape)}: {reason}"
        ) from error


@torch.no_grad()
def _take_over(gated: nn.Module, model: nn.Module, inputs: Tensor) -> None:
    """Puts the model's layers into `gated`, the gated copy of its probe; BadInput if that then gives other outputs."""
    names = [name for name, module in gated.named_modules() if module._parameters or module._buffers]
    try:
        for name in names:
            gated.set_submodule(name, copy.deepcopy(model.get_submodule(name)).cpu().float())
        alike = torch.allclose(gated(inputs[:1]), model(inputs[:1]), rtol=1e-4, atol=1e-5)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise BadInput(f"the probe is another network than {type(model).__name__}: {str(error).splitlines()[0]}") from error
    if not alike:
        raise BadInput(f"the probe is another network than {type(model).__name__}: their outputs differ")


def _check_carried(model: nn.Module, carried: Sequence[Site]) -> None:
    modules = dict(model.named_modules())
    for site in carried:
        for name in (*site.convolutions, *site.gates):
            if name not in modules:
                raise BadInput(f"site {site.name!r} names {name!r}, but the model has no such module")
        for name in site.gates:
            if not isinstance(modules[name], Gate):
                raise BadInput(f"site {site.name!r} names {name!r} as a gate, but it is a {type(modules[name]).__name__}")
