"""Operations that mix maps, as layers and as functions, and their operands."""

from collections.abc import Mapping
from typing import Any

from torch import fx, nn

from pruning_oracle.bench.network.coupling import MapLabels
from pruning_oracle.bench.network.flops import RECURRENT
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, CONVOLVING, MIXERS, TRANSPOSED, TRANSPOSING
from pruning_oracle.bench.network.reading import Read


def module_of(learned: MapLabels, node: fx.Node) -> Any:
    """The module that an operation calls, or None."""
    return learned.model.get_submodule(str(node.target)) if node.op == "call_module" else None


def axes_of_channels(learned: MapLabels, reads: list[Read]) -> dict[fx.Node, int]:
    """The operations that mix maps, each with the axis of the channels that it reads; linear layers along positions do not."""
    found = {read.layer: read.axis for read in reads}
    for node in learned.values:
        module = module_of(learned, node)
        if node not in found and (convolves(module, node) or computes_weights(module)):
            found[node] = 1 if convolves(module, node) else -1
    return found


def convolves(module: Any, node: fx.Node) -> bool:
    """Whether an operation is a convolution."""
    return isinstance(module, CONVOLUTIONS) or node.target in CONVOLVING or node.target in TRANSPOSING


def transposes(module: Any, node: fx.Node) -> bool:
    """Whether an operation is a transposed convolution, whose weights are `[input, output, …]`."""
    return isinstance(module, TRANSPOSED) or node.target in TRANSPOSING


def computes_weights(module: nn.Module | None) -> bool:
    """Whether a layer's weights are not parameters or buffers of its own, but computed from others."""
    if not isinstance(module, MIXERS) or isinstance(module, RECURRENT):
        return False
    return "weight" not in {*module._parameters, *module._buffers}


def operand(node: fx.Node, place: int, name: str, default: Any = None) -> Any:
    """An argument of a function, by position or by name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def groups_of(values: Mapping[fx.Node, Any], node: fx.Node, module: Any) -> int:
    """The number of groups of a convolution; 1 for another layer."""
    if module is not None or not convolves(module, node):
        return int(getattr(module, "groups", 1))
    given = operand(node, 6, "groups", 1)
    return int(values[given] if isinstance(given, fx.Node) else given)
