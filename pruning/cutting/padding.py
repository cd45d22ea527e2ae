"""Shortcuts that pad channels with zeros, as ResNet-20's do: the traced graph holds how many, and pruning lowers it."""

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import fx, nn

from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS

Owner = tuple[str, int]  # a site's name and the map's number in the whole network
Owners = tuple[Owner | None, ...]  # for each channel, the map that it carries, or None
Pads = Mapping[str, tuple[Owners, Owners]]  # padding node -> the maps in place of its zeros, in front and behind


def pads(model: nn.Module, inputs: Mapping[str, Owners]) -> dict[str, tuple[Owners, Owners]]:
    """For each padding of channels, the maps that the next layer reads in the padded channels.

    `inputs` gives, for each layer, the map that each of its input channels carries.
    """
    found = {}
    for node, front, back in _nodes(model):
        owners = next((inputs[name] for name in _after(node) if name in inputs), ())
        found[node.name] = owners[:front], owners[len(owners) - back :]
    return found


def shrunk(known: Pads, gone: Collection[Owner]) -> dict[str, tuple[Owners, Owners]]:
    """The `known` pads without the maps in `gone`, so that fewer channels are padded."""
    front, back = (
        {name: tuple(owner for owner in pair[side] if owner not in gone) for name, pair in known.items()} for side in (0, 1)
    )
    return {name: (front[name], back[name]) for name in known}


def set_pads(model: nn.Module, known: Pads) -> None:
    """Makes every padding of a network, in place, pad as many channels as `known` lists for it."""
    set_pad_amounts(model, {name: [len(front), len(back)] for name, (front, back) in known.items()})


def pad_amounts(model: nn.Module) -> dict[str, list[int]]:
    """For each padding node, how many channels it pads, `[in front, behind]`."""
    return {node.name: [front, back] for node, front, back in _nodes(model)}


def set_pad_amounts(model: nn.Module, given: Mapping[str, list[int]]) -> None:
    """Makes every padding of a network, in place, pad the numbers of channels that `pad_amounts` would return."""
    for node, _, _ in _nodes(model):
        node.args = (node.args[0], (*_amounts(node)[:-2], *given[node.name]), *node.args[2:])
    if given and isinstance(model, fx.GraphModule):
        model.recompile()


def _nodes(model: nn.Module) -> Iterator[tuple[fx.Node, int, int]]:
    """The calls of `torch.nn.functional.pad` along the channel axis, each with its channels in front and behind."""
    axes = next((module.weight.ndim for module in model.modules() if isinstance(module, CONVOLUTIONS)), 0)
    for node in model.graph.nodes if isinstance(model, fx.GraphModule) else ():
        if node.target is torch.nn.functional.pad and len(_amounts(node)) == 2 * (axes - 1):
            yield node, *_amounts(node)[-2:]


def _amounts(node: fx.Node) -> tuple[int, ...]:
    given = node.args[1] if len(node.args) > 1 else ()
    return tuple(given) if isinstance(given, (tuple, list)) else ()


def _after(node: fx.Node) -> Iterator[str]:
    """Names of the modules called after a node in the graph, nearest first."""
    waiting, seen = [node], {node}
    while waiting:
        current = waiting.pop(0)
        if current.op == "call_module":
            yield str(current.target)
        new = [user for user in current.users if user not in seen]
        waiting += new
        seen.update(new)
