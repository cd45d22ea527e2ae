"""Runs a single operation of a traced network on given values."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn


def run_node(
    model: nn.Module,
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    tensors: Mapping[str, Tensor] | None = None,
    arguments: tuple[Any, Any] | None = None,
) -> Any:
    """An operation's result; `tensors` stand in for parameters and buffers of its module, `arguments` for its own."""
    args, kwargs = fx.node.map_arg(arguments or (node.args, node.kwargs), lambda source: values[source])
    with torch.no_grad():
        if node.op == "call_function":
            return node.target(*args, **kwargs)  # type: ignore[operator]  # fx types every target as a name or a function
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        own = model.get_submodule(str(node.target))
        return torch.func.functional_call(own, dict(tensors), args, kwargs) if tensors else own(*args, **kwargs)
