"""Makes a copy of a network plain: weights that hooks or parametrizations compute become ordinary parameters.

`torch.nn.utils.weight_norm`, `spectral_norm`, `torch.nn.utils.prune` and hooks written like them set a plain tensor before
every call; `torch.nn.utils.parametrize` computes it on every access. Either is baked in as eval mode computes it, so that
engines, criteria and surgery see one kind of weight. Training then changes the plain weights.
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput

SOURCES = ("_orig", "_g", "_v", "_u", "_mask")  # what hooks that compute `weight` compute it from: `weight_orig`, …


@torch.no_grad()
def plain_copy(model: nn.Module) -> nn.Module:
    """A copy of the model in float32 on the CPU whose weights are all ordinary parameters; `model` itself does not change.

    BadInput if the model cannot be copied.
    """
    computed = {id(value): value.detach().clone() for module in model.modules() for value in _computed_tensors(module)}
    try:
        copied = copy.deepcopy(model, computed)
    except Exception as error:  # whatever the model's attributes raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{type(model).__name__} cannot be copied: {reason}") from error
    copied = copied.cpu().float()
    for module in list(copied.modules()):
        _bake_parametrizations(module)
        _bake_hooks(module)
    return copied


def _computed_tensors(module: nn.Module) -> Iterator[Tensor]:
    """The tensors among a module's plain attributes that come out of a computation, which `deepcopy` refuses to copy."""
    for value in module.__dict__.values():
        for leaf in tree.tree_leaves(value):
            if isinstance(leaf, Tensor) and not leaf.is_leaf:
                yield leaf


def _bake_parametrizations(module: nn.Module) -> None:
    """Gives a module its own class back, and what its parametrizations compute.

    Not by `remove_parametrizations`, which changes the class that this copy has in common with the user's own module.
    """
    if not parametrize.is_parametrized(module):
        return
    lists: Any = module.parametrizations
    values = {name: getattr(module, name).detach().clone() for name in lists}
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    for name, value in values.items():
        if lists[name]._parameters:
            setattr(module, name, nn.Parameter(value))  # not register_parameter: recurrent layers note what is set
        else:
            module.register_buffer(name, value)


def _bake_hooks(module: nn.Module) -> None:
    """Removes the pre-hooks that compute a tensor of the module, and keeps what they computed."""
    for key, hook in list(module._forward_pre_hooks.items()):
        sources = _sources(module)
        names = _set_by(module, key, hook, list(sources))
        if not names:
            continue
        del module._forward_pre_hooks[key]
        module._forward_pre_hooks_with_kwargs.pop(key, None)
        for name in names:
            for source in sources[name]:
                module._parameters.pop(source, None)
                module._buffers.pop(source, None)
            value = module.__dict__.pop(name).detach().clone()
            setattr(module, name, nn.Parameter(value))
        for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
            for other, wrapped in list(hooks.items()):
                if getattr(getattr(wrapped, "hook", wrapped), "fn", None) is hook:  # spectral_norm's, for its own names
                    del hooks[other]


def _sources(module: nn.Module) -> dict[str, list[str]]:
    """The module's plain tensors that may be computed, with the parameters and buffers that they are computed from."""
    held = {*module._parameters, *module._buffers}
    tensors = [name for name, value in module.__dict__.items() if isinstance(value, Tensor)]
    found = {name: [name + suffix for suffix in SOURCES if name + suffix in held] for name in tensors}
    return {name: sources for name, sources in found.items() if sources}


def _set_by(module: nn.Module, key: int, hook: Any, names: list[str]) -> list[str]:
    """Which of these tensors of the module a pre-hook sets; none if it needs the module's inputs."""
    before = {name: module.__dict__[name] for name in names}
    try:
        for _ in names[:1]:
            hook(module, (), {}) if key in module._forward_pre_hooks_with_kwargs else hook(module, ())
    except Exception:  # whatever a hook raises that looks at its inputs
        return []
    return [name for name in names if module.__dict__[name] is not before[name]]
