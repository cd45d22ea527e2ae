"""The inputs on which a network is studied: smaller ones take a fraction of the time, where they show the same of it."""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.tracing import OWN_GATES, difference, outputs_of

ENOUGH = 1 << 18  # numbers in all values of one example: a network with fewer is studied on its own inputs
STEPS = (8, 4, 2)  # every so many positions of each axis are kept
Shapes = list[list[torch.Size]]  # of the tensors in every operation's result


def inputs_to_study(original: nn.Module, graph: fx.GraphModule, inputs: Tensor) -> Tensor:
    """The inputs, or the same with fewer positions, on which the traced `graph` gives the outputs of the `original` network.

    Smaller ones are taken if the network is large and every value keeps its axes on them: it has as many, those that held one
    number still do, and all others hold several. BadInput if the graph gives other outputs than the network on its own inputs.
    """
    whole = None
    with suppress(Exception):  # many a network takes no batch of one, or gives something else for it
        whole = _agreed(original, graph, inputs[:1])
    whole = _agreed(original, graph, inputs) if whole is None else whole
    if whole is None:
        raise BadInput(
            f"torch.fx traces {type(original).__name__} as another function (an in-place operation on a value that has two"
            f" names?): write it without, or {OWN_GATES}"
        )
    if sum(shape.numel() for shapes in whole for shape in shapes) < ENOUGH:
        return inputs
    for step in STEPS:
        for axes in sorted({min(2, inputs.ndim - 2), inputs.ndim - 2}):
            strided = inputs
            for axis in range(inputs.ndim - axes, inputs.ndim):
                strided = strided.index_select(axis, torch.arange(0, inputs.shape[axis], step))
            with suppress(Exception):  # whatever a network raises on inputs that do not fit it
                shapes = _agreed(original, graph, strided[:1]) if strided.numel() < inputs.numel() else None
                if shapes is not None and all(map(_alike, whole, shapes)):
                    return strided
    return inputs


def _alike(first: list[torch.Size], second: list[torch.Size]) -> bool:
    ones = [[[size == 1 for size in shape] for shape in shapes] for shapes in (first, second)]
    return ones[0] == ones[1]


class _Shapes(fx.Interpreter):
    """Runs a network and notes the shapes of every operation's results."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.shapes: Shapes = []

    def run_node(self, n: fx.Node) -> Any:
        """Runs one operation (the name of the argument is torch's)."""
        value = super().run_node(n)
        self.shapes.append([leaf.shape for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)])
        return value


@torch.no_grad()
def _agreed(original: nn.Module, graph: fx.GraphModule, inputs: Tensor) -> Shapes | None:
    """The shapes of every operation's results on these inputs; None if the outputs are not those of the original network."""
    interpreter = _Shapes(graph)
    same = not difference(interpreter.run(inputs.clone()), outputs_of(original, inputs))
    return interpreter.shapes if same else None
