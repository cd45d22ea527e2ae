"""Lets tensors that a network makes in its forward pass follow its parameters to another precision and device.

A graph holds what the forward pass said on the CPU in float32: `torch.zeros(n, device=cpu)`, `x.float()`, `bytes / 255`. Once
the network is moved, such a tensor must come out as its parameters are, or the next layer refuses it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

ANCHOR = "as_parameters"  # an empty buffer, which is moved with the parameters
FROM_NOTHING = {torch.zeros, torch.ones, torch.empty, torch.full, torch.arange, torch.linspace, torch.eye, torch.tensor}
FROM_NOTHING |= {torch.rand, torch.randn}


@torch.no_grad()
def run_with_dtypes(graph: fx.GraphModule, inputs: Tensor) -> tuple[Any, dict[fx.Node, Any]]:
    """What the graph gives for a copy of the inputs, and every operation's value with their types in place of tensors."""
    dtypes: dict[fx.Node, Any] = {}

    class Noting(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            value = super().run_node(node)
            dtypes[node] = tree.tree_map_only(Tensor, lambda leaf: leaf.dtype, value)
            return value

    return Noting(graph).run(inputs.clone()), dtypes


def follow_parameters(graph: fx.GraphModule, dtypes: Mapping[fx.Node, Any]) -> fx.GraphModule:
    """Rewrites the graph in place so that devices, and float32 where it is made or named, are those of its parameters.

    `dtypes` is what `run_with_dtypes` says of it, with parameters in float32.
    """
    made: dict[str, fx.Node] = {}  # the operations that give the parameters' type and device

    def like(name: str) -> fx.Node:
        if name not in made:
            graph.register_buffer(ANCHOR, torch.empty(0), persistent=False)
            with graph.graph.inserting_after(next(node for node in graph.graph.nodes if node.op == "placeholder")):
                anchor = graph.graph.get_attr(ANCHOR)
            with graph.graph.inserting_after(anchor):
                made[name] = graph.graph.call_function(getattr, (anchor, name))
        return made[name]

    def followed(value: Any) -> Any:
        if isinstance(value, torch.device):
            return like("device")
        return like("dtype") if value is torch.float32 else value

    for node in list(graph.graph.nodes):
        if node.op not in {"call_function", "call_method"}:
            continue
        if node.op == "call_method" and node.target == "float":
            node.target, node.args = "to", (node.args[0], torch.float32)
        node.args, node.kwargs = fx.node.map_aggregate((node.args, node.kwargs), followed)
        if isinstance(node.kwargs.get("device"), str) or (node.target in FROM_NOTHING and "device" not in node.kwargs):
            node.kwargs = {**node.kwargs, "device": like("device")}
        leaves = tree.tree_leaves([dtypes.get(source) for source in node.all_input_nodes])
        floats = any(isinstance(leaf, torch.dtype) and leaf.is_floating_point for leaf in leaves)
        if dtypes.get(node) is torch.float32 and not floats and made.get("dtype") not in node.all_input_nodes:
            with graph.graph.inserting_after(node):
                cast = graph.graph.call_method("to", (node,))
            node.replace_all_uses_with(cast)
            cast.args = (node, like("dtype"))
    graph.graph.lint()
    graph.recompile()
    return graph
