"""The repair `batchnorm`: running means and variances of batch norms estimated again on a few examples, without learning.

Maps that went leave the maps behind them with other means and variances than batch norms remember (EagleEye, arXiv:2007.02491).
While the examples pass, every batch norm normalises by its batch, as in training, and nothing else does: dropout stays off.
What it then remembers are mean and variance over all examples and positions of all batches together, not a moving average of
batches, whose weights would depend on their order.
"""

import copy
import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.repair.passes import batches_for


def batch_norms(model: nn.Module) -> dict[str, nn.modules.batchnorm._BatchNorm]:
    """The batch norms of a model that remember a running mean and variance, by name."""
    kind = nn.modules.batchnorm._BatchNorm
    return {name: module for name, module in model.named_modules() if isinstance(module, kind) and _remembers(module)}


def _remembers(module: nn.modules.batchnorm._BatchNorm) -> bool:
    return module.running_mean is not None and module.running_var is not None


class Moments:
    """Count, mean and sum of squared differences from it of each channel, in float64, of all calls together."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, given: Tensor) -> None:
        """Adds one call's input `[example, channel, …]`."""
        lines = given.transpose(0, 1).flatten(1).double()
        count, mean = lines.shape[1], lines.mean(1)
        squares = (lines - mean[:, None]).square().sum(1)
        if not self.count:
            self.count, self.mean, self.squares = count, mean, squares
            return
        both, gap = self.count + count, mean - self.mean
        self.squares = self.squares + squares + gap.square() * (self.count * count / both)
        self.mean = self.mean + gap * (count / both)
        self.count = both

    @property
    def variance(self) -> Tensor:
        """The unbiased variance, as torch's batch norms remember it."""
        return self.squares / max(1, self.count - 1)


@torch.no_grad()
def estimated_again(case: Case, rows: Sequence[int], held: int | None = None) -> Case:
    """A copy of the case whose batch norms remember the statistics of the training examples at `rows`; all else is unchanged.

    A batch norm that no example reaches stays as it is. Activations take at most `held` bytes (default: as the device has).
    """
    model = copy.deepcopy(case.model)
    layers = batch_norms(model)
    counted = {name: layer.num_batches_tracked for name, layer in layers.items()}
    momenta = {name: layer.momentum for name, layer in layers.items()}
    moments = {name: Moments() for name in layers}

    def note(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        moments[name].add(args[0] if args else kwargs["input"])

    passing = dataclasses.replace(case, model=model)
    batches = batches_for(case, rows, held)
    with ExitStack() as stack:
        for name, layer in layers.items():
            hook = layer.register_forward_pre_hook(partial(note, name), with_kwargs=True)
            stack.callback(hook.remove)
            layer.training, layer.momentum, layer.num_batches_tracked = True, 0.0, None  # remembers nothing by itself
        for batch in batches:
            passing.model(batch.inputs)
    for name, layer in layers.items():
        layer.training, layer.momentum, layer.num_batches_tracked = False, momenta[name], counted[name]
        if moments[name].count:
            layer.get_buffer("running_mean").copy_(moments[name].mean)
            layer.get_buffer("running_var").copy_(moments[name].variance)
    return passing
