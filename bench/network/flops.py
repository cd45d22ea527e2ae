"""Counts the FLOPs of layers and of matrix products: a multiply-add is two, and nothing else counts.

Biases, batch norms, activations and pooling are left out, as in torch's own counter, so that the two can be compared. That
counter is not used here, because it takes two seconds to start and misses recurrent layers that are computed by one kernel
(LSTM in float32 on a CPU, all on a GPU).
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.network.hooks import watch_one_example
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, MIXERS, TRANSPOSED

RECURRENT = (nn.RNNBase, nn.RNNCellBase)
READS_INPUT = ("weight_ih", "weight_ih_l0", "weight_ih_l0_reverse")


@dataclass(frozen=True)
class Layer:
    """A layer that mixes maps: how often each of its weights is used for one example, and how many positions it outputs."""

    module: nn.Module
    uses: int
    positions: int  # of a convolution's output; 0 for other layers

    @property
    def flops(self) -> int:
        """FLOPs of the layer for one example: every weight is multiplied and added once at every use."""
        return 2 * self.uses * weight_count(self.module)


def weight_count(module: Any) -> int:
    """How many weights a layer has, not counting biases."""
    if isinstance(module, RECURRENT):
        return sum(parameter.numel() for parameter in module.parameters() if parameter.ndim > 1)
    return module.weight.numel()


def input_matrices(module: nn.Module) -> dict[str, nn.Parameter]:
    """The matrices by which a recurrent layer reads its input: the first layer's, in each direction."""
    return {name: value for name, value in module.named_parameters() if name in READS_INPUT}


def layers(case: Case) -> dict[str, Layer]:
    """The layers that mix maps, by name, in order of their first call; the counts of several calls of a layer add up."""
    uses: Counter[nn.Module] = Counter()
    positions: Counter[nn.Module] = Counter()

    def count(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given = args[0] if args else kwargs["input"]
        uses[module] += _uses(module, given.data if isinstance(given, PackedSequence) else given, output)
        positions[module] += output.numel() // module.out_channels if isinstance(module, CONVOLUTIONS) else 0

    found: dict[nn.Module, str] = {module: name for name, module in case.model.named_modules() if isinstance(module, MIXERS)}
    watch_one_example(case, found, count)
    return {found[module]: Layer(module, uses[module], positions[module]) for module in uses}


def _uses(module: Any, given: Tensor, output: Any) -> int:
    """How often one call uses each weight: per output position of a convolution, else per input position or time step."""
    if isinstance(module, TRANSPOSED):
        return given.numel() // module.in_channels
    if isinstance(module, CONVOLUTIONS):
        return output.numel() // module.out_channels
    return given.numel() // (module.in_features if isinstance(module, nn.Linear) else module.input_size)


class Products(TorchFunctionMode):
    """A context manager that adds up the FLOPs of convolutions and matrix products inside its block.

    It counts them in layers and where they are called as functions, but not inside recurrent layers, `einsum` and
    `nn.MultiheadAttention`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            self.flops += 2 * PRODUCTS[func](result, *args, **(kwargs or {}))
        return result


def _convolution(result: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return weight.numel() * result.numel() // result.shape[1 - weight.ndim]


def _transposed(result: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return weight.numel() * input.numel() // input.shape[1 - weight.ndim]


def _linear(result: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return weight.numel() * input.numel() // input.shape[-1]


def _matrices(result: Tensor, *args: Tensor, **kwargs: Tensor) -> int:
    first = args[0] if args else kwargs["input"]
    return result.numel() * first.shape[-1]


def _added(result: Tensor, *args: Tensor, **kwargs: Tensor) -> int:
    first = args[1] if len(args) > 1 else kwargs["mat1" if "mat1" in kwargs else "batch1"]
    return result.numel() * first.shape[-1]


def _attention(result: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


PRODUCTS: dict[Any, Callable[..., int]] = {F.linear: _linear, F.scaled_dot_product_attention: _attention}
PRODUCTS |= dict.fromkeys([torch.conv1d, torch.conv2d, torch.conv3d], _convolution)
PRODUCTS |= dict.fromkeys([torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d], _transposed)
PRODUCTS |= dict.fromkeys([torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm], _matrices)
PRODUCTS |= dict.fromkeys([torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm], _added)
