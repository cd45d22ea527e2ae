"""Prepares a network for the fast engine: folds batch norms into their convolutions, and changes the memory format."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pruning_oracle.bench.network.plain import is_plain

NORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}
PLAIN, LAST = "contiguous", "channels last"
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of axes


def fold(model: fx.GraphModule) -> fx.GraphModule:
    """A copy of the network with each batch norm folded into its convolution, equal up to rounding.

    Only a convolution that is called once and read by nothing but its batch norm is folded, where both are plain
    (`bench/network/plain.py`). Modules that do not change are shared with `model`.
    """
    copied = fx.GraphModule(model, copy.deepcopy(model.graph)).eval()
    called = [str(node.target) for node in copied.graph.nodes if node.op == "call_module"]
    for node in list(copied.graph.nodes):
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) > 1:
            continue
        conv, norm = (copied.get_submodule(str(place.target)) for place in (source, node))
        fits = NORMS.get(type(conv)) is type(norm) and all(is_plain(module, type(module)) for module in (conv, norm))
        if fits and norm.running_mean is not None and called.count(str(source.target)) == 1:
            copied.set_submodule(str(source.target), fuse_conv_bn_eval(conv, norm))  # type: ignore[type-var, arg-type]  # see NORMS
            node.replace_all_uses_with(source)
            copied.graph.erase_node(node)
    copied.recompile()
    return copied


def channels_last(model: fx.GraphModule) -> fx.GraphModule:
    """A copy of the network whose convolutions have their weights in channels-last format; all else is shared with `model`."""
    copied = fx.GraphModule(model, copy.deepcopy(model.graph)).eval()
    for name, module in list(copied.named_modules()):
        if any(is_plain(module, kind) for kind in (nn.Conv2d, nn.Conv3d)):
            twin = copy.copy(module)
            twin._parameters = dict(module._parameters)
            weight = module.weight.detach().contiguous(memory_format=FORMATS[module.weight.ndim])
            twin.weight = nn.Parameter(weight, requires_grad=module.weight.requires_grad)
            copied.set_submodule(name, twin)
    return copied


def laid_out(inputs: Tensor, name: str) -> Tensor:
    """The inputs in the memory format `name`; unchanged unless it is channels last and they have 4 or 5 axes."""
    return inputs.contiguous(memory_format=FORMATS[inputs.ndim]) if name == LAST and inputs.ndim in FORMATS else inputs
