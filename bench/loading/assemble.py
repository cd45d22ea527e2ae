"""Turns a trained model, its data and its loss into a Case: finds the sites, and refuses what would make an oracle wrong."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from pruning_oracle.bench.case import Case, Loss, Site
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.checks import check_examples, check_kind, check_plain
from pruning_oracle.bench.loading.losses import cross_entropy, loss_and_check, losses_of_two
from pruning_oracle.bench.network import sites
from pruning_oracle.bench.network.any_batch import check_batch_of_one, keep_axes
from pruning_oracle.bench.network.carried_gates import doubtful_sites
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.plain_weights import plain_copy
from pruning_oracle.bench.network.tracing import difference, first_line
from pruning_oracle.bench.runs.bounds import EXAMPLES

log = logging.getLogger("bench")
# the network made for smaller inputs, and a batch of two such inputs
Probe = tuple[nn.Module, Tensor]


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
    Where a network takes inputs of one size alone, so that finding its sites takes minutes, `probe` gives the same network made
    for smaller inputs, and a batch of two such inputs. BadInput names what is wrong with the model or the data.
    """
    check_kind(model)
    EXAMPLES.check("examples", examples)
    if not len(test):
        raise BadInput("the test set holds no examples; at least 1 is needed")
    if len(train) < 6:
        raise BadInput(f"the training set holds {len(train)} examples; at least 6 are needed, 3 shared and 3 fresh")
    inputs, plain = _two(train), plain_copy(model)
    check_examples(plain, inputs)
    check_plain(model, plain, inputs)
    loss, check = loss_and_check(loss)
    two = losses_of_two(Case(plain, (), (), train, test, loss, examples, why, check))
    if carried:
        _check_carried(model, carried)
        if isinstance(plain, fx.GraphModule):
            keep_axes(plain, inputs)
        own = Case(plain, tuple(carried), (), train, test, loss, examples, why, check)
        for site in doubtful_sites(own, inputs):
            log.warning(
                "%s: at site %r a gate at 0 gives other outputs than weights of 0 in the layers that are seen to read the map:"
                " what is measured there is no deletion (does a batch norm or an activation stand behind the gate?)",
                type(model).__name__,
                site,
            )
        return check_batch_of_one(own, type(model).__name__, two)
    gated, found, left_out = sites.find_sites(*(probe or (plain, inputs)))
    if not found:
        reasons = "; ".join(f"{out.convolution}: {out.reason}" for out in left_out[:3])
        raise BadInput(f"{type(model).__name__} has no map that can be removed ({reasons})")
    if probe:
        _take_over(gated, plain, inputs)
    own = Case(gated, found, left_out, train, test, loss, examples, why, check)
    return check_batch_of_one(own, type(model).__name__, two)


def _two(train: Examples) -> Tensor:
    """The inputs of the first two training examples, as one batch on the CPU, in float32 unless they are whole numbers.

    BadInput if the examples are not pairs with inputs of one shape.
    """
    pairs = [train[row] for row in range(2)]
    for row, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], Tensor):
            raise BadInput(
                f"training example {row} is a {type(pair).__name__}; it must be a pair of an input tensor and a label"
            )
    if pairs[0][0].shape != pairs[1][0].shape:
        raise BadInput(f"training inputs differ in shape: {tuple(pairs[0][0].shape)} and {tuple(pairs[1][0].shape)}")
    inputs = torch.stack([pair[0] for pair in pairs]).cpu()
    return inputs.float() if inputs.is_floating_point() else inputs


@torch.no_grad()
def _take_over(gated: nn.Module, plain: nn.Module, inputs: Tensor) -> None:
    """Puts the network's layers into `gated`, the gated copy of its probe; BadInput if that then gives other outputs."""
    tensors = {*dict(plain.named_parameters()), *dict(plain.named_buffers())}
    try:
        for name, module in list(gated.named_modules()):
            if name and (module._parameters or module._buffers):
                gated.set_submodule(name, plain.get_submodule(name))
        for held in (gated._parameters, gated._buffers):
            held.update({name: getattr(plain, name) for name in held if name in tensors})
        alike = not difference(gated(inputs[:1]), plain(inputs[:1]))
    except (AttributeError, RuntimeError, TypeError) as error:
        raise BadInput(f"the probe is another network than {type(plain).__name__}: {first_line(error)}") from error
    if not alike:
        raise BadInput(f"the probe is another network than {type(plain).__name__}: their outputs differ")


def _check_carried(model: nn.Module, carried: Sequence[Site]) -> None:
    modules = dict(model.named_modules())
    for site in carried:
        for name in (*site.convolutions, *site.gates):
            if name not in modules:
                raise BadInput(f"site {site.name!r} names {name!r}, but the model has no such module")
        for name in site.gates:
            if not isinstance(modules[name], Gate):
                raise BadInput(f"site {site.name!r} names {name!r} as a gate, but it is a {type(modules[name]).__name__}")
