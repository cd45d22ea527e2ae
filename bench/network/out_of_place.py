"""Rewrites a traced network so that no operation works in place, and every value can be kept and used again."""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, fx


def out_of_place(model: fx.GraphModule) -> fx.GraphModule:
    """A copy of the network that shares its parameters and in which ordinary operations replace those that work in place.

    Later operations that read the overwritten value now read the result. An operation that cannot be rewritten stays as it is;
    `Labels.run` of `map_following.py` refuses it.
    """
    graph = copy.deepcopy(model.graph)
    rewritten = fx.GraphModule(model, graph)
    for node in graph.nodes:
        if _rewrite(rewritten, node):
            overwritten = node.all_input_nodes[0]
            later = _after(graph, node)
            overwritten.replace_all_uses_with(node, delete_user_cb=lambda user, later=later: user in later)
    graph.lint()
    rewritten.recompile()
    return rewritten.eval()


def with_item(value: Tensor, index: Any, item: Any) -> Tensor:
    """A copy of a tensor with `item` at `index`: the assignment `value[index] = item`, which returns what it assigned to."""
    copied = value.clone()
    copied[index] = item
    return copied


def _after(graph: fx.Graph, node: fx.Node) -> set[fx.Node]:
    nodes = list(graph.nodes)
    return set(nodes[nodes.index(node) + 1 :])


def _rewrite(model: fx.GraphModule, node: fx.Node) -> bool:
    """Makes one operation work out of place; returns whether it worked in place before."""
    name = getattr(node.target, "__name__", str(node.target))
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        if not getattr(module, "inplace", False):
            return False
        twin = copy.copy(module)
        twin.inplace = False  # type: ignore[assignment]  # nn.Module types every attribute as Tensor or Module
        model.add_submodule(str(node.target), twin)
        return True
    if node.op == "call_function" and name.endswith("_") and hasattr(torch, name[:-1]):
        node.target = getattr(torch, name[:-1])
        return True
    if node.op == "call_method" and name.endswith("_") and not name.endswith("__") and hasattr(Tensor, name[:-1]):
        node.target = name[:-1]
        return True
    return node.op == "call_function" and _drop_flag(node)


def _drop_flag(node: fx.Node) -> bool:
    """Sets a function's `inplace` argument to False, by name or by position; returns whether it was true before."""
    if node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    try:
        names = list(inspect.signature(node.target).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    place = names.index("inplace") if "inplace" in names else len(node.args)
    if place < len(node.args) and node.args[place] is True:
        node.args = (*node.args[:place], False, *node.args[place + 1 :])
        return True
    return False
