"""What passes layers, with the slope of the loss by it: tapped at their inputs and outputs in one forward and backward pass."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.criteria.evidence.passes import differentiable


@dataclass(frozen=True)
class Tap:
    """What entered a layer (or left it, if `output`) in one of its calls."""

    layer: str
    output: bool
    axis: int  # of the channels
    value: Tensor

    def lines(self, values: Tensor, examples: int) -> Float[Tensor, "example channel position"]:
        """The value, or its slope, with clips and positions in one axis, in float32 at least."""
        rows = at_least_float32(values.detach()).movedim(self.axis, 1)
        rows = rows.reshape(examples, len(rows) // examples, rows.shape[1], -1)  # example, clip, channel, position
        return rows.transpose(1, 2).flatten(2)


def tapped(
    case: Case, batch: Batch, inputs_of: Collection[str], outputs_of: Collection[str]
) -> Iterator[tuple[Tap, Float[Tensor, "example channel position"], Float[Tensor, "example channel position"]]]:
    """What passed the inputs of some layers and the outputs of others, call by call: each with its value and its slope.

    The slope is that of every example's own loss; by the input of a layer, it is that through this layer alone.
    """
    taps: list[Tap] = []

    def tap(layer: str, output: bool, module: nn.Module, value: Tensor) -> Tensor:
        own = value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
        last = isinstance(module, (nn.Linear, nn.RNNBase, nn.RNNCellBase))
        taps.append(Tap(layer, output, own.ndim - 1 if last else min(1, own.ndim - 1), own))
        return own

    def before(layer: str, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if args:
            return (tap(layer, False, module, args[0]), *args[1:]), kwargs
        return args, kwargs | {"input": tap(layer, False, module, kwargs["input"])}

    with ExitStack() as stack:
        stack.enter_context(differentiable(case.model))
        for name in inputs_of:
            hook = case.model.get_submodule(name).register_forward_pre_hook(partial(before, name), with_kwargs=True)
            stack.callback(hook.remove)
        for name in outputs_of:
            after = partial(tap, name, True)
            hook = case.model.get_submodule(name).register_forward_hook(
                lambda module, _, output, after=after: after(module, output)
            )
            stack.callback(hook.remove)
        loss = case.losses(batch).sum()  # in eval mode no example affects another: the slope of the sum gives each its own
        slopes = torch.autograd.grad(loss, [tap.value for tap in taps], allow_unused=True, materialize_grads=True)
    for one, slope in zip(taps, slopes, strict=True):
        yield one, one.lines(one.value, batch.examples), one.lines(slope, batch.examples)
