"""A state dict from a file of torch's or a .safetensors file, loaded without running code, and put into a network."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bench import embedded
from bench.errors import BadInput

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model")  # what files of trainers call it


def read(file: Path) -> State:
    """Tensors by name; the `module.` that DataParallel puts in front of names is taken off."""
    try:
        found = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True, map_location="cpu")
    except (SafetensorError, Exception) as error:  # torch.load raises many kinds; each means that this is no weight file
        raise BadInput(f"{file} is truncated or not a weight file ({type(error).__name__})") from error
    for name in WRAPPERS:
        found = found.get(name, found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise BadInput(f"{file} holds no state dict: expected tensors by name")
    whole = {key.removeprefix("module."): tensor for key, tensor in found.items()}
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in whole.items()}


def put(model: nn.Module, found: State, where: str, what: str = "the data") -> nn.Module:
    """The network with these weights, in eval mode; says so where they are for another number of classes than `what` has."""
    head = _other_head(model, found)
    if head:
        given, wanted = found[head[0]].shape[0], model.state_dict()[head[0]].shape[0]
        raise BadInput(f"{where} is for {given} classes ({head[0]}: {tuple(found[head[0]].shape)}), but {what} has {wanted}")
    return embedded.fill(model, {name: tensor.numpy() for name, tensor in found.items()}, where)


def graft(model: nn.Module, found: State, where: str) -> nn.Module:
    """The network with these weights but for its head, if that is for another number of classes: it stays as it was drawn."""
    own = model.state_dict()
    return put(model, found | {name: own[name] for name in _other_head(model, found)}, where)


def _other_head(model: nn.Module, found: State) -> list[str]:
    """The tensors of the one layer whose number of outputs alone differs; none where more does, or nothing."""
    own = model.state_dict()
    other = [name for name, tensor in found.items() if name in own and own[name].shape != tensor.shape]
    alike = all(own[name].shape[1:] == found[name].shape[1:] for name in other)
    layers = {name.rpartition(".")[0] for name in other}
    return other if len(layers) == 1 and alike and layers == {list(own)[-1].rpartition(".")[0]} else []
