"""A network as a graph of operations, by torch.fx."""

import inspect
from typing import Any

from torch import fx, nn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.layer_kinds import MIXERS

# the advice in messages about a network that cannot be followed
OWN_GATES = "put gates (pruning_oracle.bench.network.gates.Gate) into it where maps can be removed, and name them as sites"


class Tracer(fx.Tracer):
    """A tracer that keeps torch's own modules, and whatever derives from a layer that mixes maps, as single operations."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Whether `module` stays a single operation."""
        return isinstance(module, MIXERS) or super().is_leaf_module(module, name)


def trace(model: nn.Module) -> fx.GraphModule:
    """The network as a graph of operations on its one input; BadInput if torch.fx cannot trace it.

    Further arguments of its forward pass take their defaults. The class of `model` is changed for that, so pass a copy.
    """
    tracer, kind = Tracer(), type(model)
    if len(inspect.signature(kind.forward).parameters) > 2:

        def forward(self: nn.Module, inputs: Any) -> Any:
            return kind.forward(self, inputs)

        model.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    try:
        graph = tracer.trace(model)
    except Exception as error:  # torch.fx raises whatever the model's own Python code raises on symbolic values
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{kind.__name__} cannot be traced by torch.fx ({reason}): {OWN_GATES}") from error
    return fx.GraphModule(tracer.root, graph)
