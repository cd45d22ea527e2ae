"""Networks for batches of any size: one example must give what it gives among others."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput

FAR = 1e-3  # two losses, relative to the larger or to 1 nat, that rounding cannot explain


class _Squeezed(fx.Interpreter):
    """Runs a network, and notes the axes of size 1 that each `squeeze` drops."""

    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.dropped: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Runs one operation."""
        if _squeezes(n):
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            value, *asked = [*args, *kwargs.values()]
            axes = range(value.ndim) if not asked else asked[0] if isinstance(asked[0], (tuple, list)) else asked
            self.dropped[n] = tuple(sorted(axis % value.ndim for axis in axes if value.shape[axis] == 1))
        return super().run_node(n)


def keep_axes(model: fx.GraphModule, inputs: Tensor) -> None:
    """Lets every `squeeze` of a traced network drop the axes that it drops from a batch of several examples, and no other.

    Otherwise `x.squeeze()` drops the axis of the batch, too, where that holds a single example. `inputs` is a batch of two.
    """
    if not any(_squeezes(node) for node in model.graph.nodes):
        return
    watched = _Squeezed(model)
    with torch.no_grad():
        watched.run(inputs)
    for node, axes in watched.dropped.items():
        node.op, node.target, node.args, node.kwargs = "call_function", torch.squeeze, (node.all_input_nodes[0], axes), {}
    model.recompile()


def _squeezes(node: fx.Node) -> bool:
    return node.target in ("squeeze", torch.squeeze) or str(node.target).startswith("aten.squeeze")


@torch.no_grad()
def check_batch_of_one(case: Case, name: str, two: Float[Tensor, " example"]) -> Case:
    """Returns the case; BadInput if the first training example has another loss alone than `two` says, in a batch of two.

    `name` is the network's, for the message.
    """
    try:
        one = case.losses(next(case.batches(case.train, [0], 1)))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{name} fails with a single example, though not with two ({reason}): does an operation, such as"
            " squeeze() without axes, drop the axis of the batch?"
        ) from error
    if not _close(one[0], two[0]):
        raise BadInput(
            f"with {name}, the loss of an example is {one[0]:.6g} alone, but {two[0]:.6g} in a batch of two: does an operation,"
            " such as squeeze() without axes, drop the axis of the batch?"
        )
    return case


def _close(first: Tensor, second: Tensor) -> bool:
    return bool((first - second).abs() <= FAR * max(1.0, float(first.abs()))) or not bool(first.isfinite())
