"""Which modules compute what torch's layer of that kind does: hooks, computed weights and methods of their own change that."""

from torch import nn


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module's forward pass is exactly that of torch's layer `kind`, with parameters of its own.

    It is not if the module has hooks or a forward pass of its own, or if its weight or bias is computed (as by
    `torch.nn.utils.prune`, `weight_norm` and parametrizations) or is anything but a parameter.
    """
    if not isinstance(module, kind) or module._forward_hooks or module._forward_pre_hooks:
        return False
    elsewhere = {*vars(module), *vars(type(module)), *module._buffers, *module._modules}
    methods = [name for name in ("forward", "_conv_forward", "__getattr__") if getattr(kind, name, None) is not None]
    inherited = all(getattr(type(module), name) is getattr(kind, name) and name not in vars(module) for name in methods)
    return inherited and not {"weight", "bias"} & elsewhere
