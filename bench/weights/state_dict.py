"""Reads a state dict from a torch or .safetensors file without running code, and puts it into a network."""

import io
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import Arrays

StateDict = dict[str, Tensor]
LONGEST = 2**24  # bytes of a pickle that are looked at for the classes that it names
WRAPPERS = ("state_dict", "model")  # keys under which training scripts store a state dict in their files


def read_weights(file: Path) -> StateDict:
    """The tensors of a weight file by name; floating-point ones become float32. BadInput if it holds no state dict.

    The prefix `module.` that DataParallel puts in front of names is removed.
    """
    try:
        found = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # torch.load raises many kinds; each means that this is not a file of weights alone
        reason = _other_content(file) or f"is truncated or not a weight file ({type(error).__name__})"
        raise BadInput(f"{file} {reason}") from error
    for name in WRAPPERS:
        found = found.get(name, found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise BadInput(f"{file} holds no state dict: expected tensors by name")
    size = file.stat().st_size
    for name, tensor in found.items():  # a few bytes can claim to be terabytes, each of them the same
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.nbytes > size:
            raise BadInput(f"{file}: {name} is no plain tensor of its own numbers, {tuple(tensor.shape)} in {size:,} bytes")
    whole = {key.removeprefix("module."): tensor for key, tensor in found.items()}
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in whole.items()}


def _other_content(file: Path) -> str:
    """What a file holds that is more than tensors, as the end of a sentence; empty if it is nothing that torch would write.

    Names of classes are read from its pickle without running it.
    """
    save = "where it was made, save its weights alone: torch.save(model.state_dict(), FILE)"
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                if any("/code/" in name for name in archive.namelist()):
                    return f"is a TorchScript program, which is never run: {save}"
                pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                with archive.open(pickles[0]) as pickled:
                    content = pickled.read(LONGEST)
        else:  # what torch wrote before 1.6, and plain pickles
            with file.open("rb") as pickled:
                content = pickled.read(LONGEST)
        known = {"torch", "collections", "numpy", "builtins", "__builtin__"}
        for module, name in _classes_in(content):
            if module.partition(".")[0] not in known or module.startswith(("torch.nn.modules", "torch.fx")):
                return f"holds a whole pickled object ({module}.{name}), which is never loaded, since that runs code: {save}"
    except (OSError, IndexError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return ""
    return ""


def _classes_in(content: bytes) -> Iterator[tuple[str, str]]:
    """The module and name of every class and function that pickles name one after another, as far as they can be read."""
    stream = io.BytesIO(content)
    texts: list[str] = []
    try:
        while stream.tell() < len(content):
            for operation, value, _ in pickletools.genops(stream):
                if operation.name == "GLOBAL":
                    module, _, name = str(value).partition(" ")
                    yield module, name
                elif operation.name == "STACK_GLOBAL" and len(texts) > 1:
                    yield texts[-2], texts[-1]
                elif isinstance(value, str):
                    texts.append(value)
    except Exception:  # pickletools raises many kinds for what is no pickle
        return


def load_into(model: nn.Module, found: StateDict, where: str, what: str = "the data") -> nn.Module:
    """Puts weights into the network and returns it in eval mode; BadInput if they do not fit.

    In messages, `where` is the source of the weights, and `what` the data whose number of classes the network has.
    """
    head = _other_head(model, found)
    if head:
        given, wanted = found[head[0]].shape[0], model.state_dict()[head[0]].shape[0]
        raise BadInput(f"{where} is for {given} classes ({head[0]}: {tuple(found[head[0]].shape)}), but {what} has {wanted}")
    return fill(model, {name: tensor.numpy() for name, tensor in found.items()}, where)


def graft(model: nn.Module, found: StateDict, where: str) -> nn.Module:
    """Puts weights into the network and returns it in eval mode; BadInput if they do not fit.

    If they are for another number of classes, the network's head keeps the weights that it has.
    """
    own = model.state_dict()
    return load_into(model, found | {name: own[name] for name in _other_head(model, found)}, where)


def _other_head(model: nn.Module, found: StateDict) -> list[str]:
    """The tensors of other shape, if all are of the last layer and differ only in the number of outputs; else an empty list."""
    own = model.state_dict()
    other = [name for name, tensor in found.items() if name in own and own[name].shape != tensor.shape]
    alike = all(own[name].shape[1:] == found[name].shape[1:] for name in other)
    layers = {name.rpartition(".")[0] for name in other}
    return other if len(layers) == 1 and alike and layers == {list(own)[-1].rpartition(".")[0]} else []


def arrays(model: nn.Module) -> Arrays:
    """The model's parameters and buffers as numpy arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}


def fill(model: nn.Module, found: Arrays, where: str) -> nn.Module:
    """Puts arrays into a model and returns it in eval mode; BadInput names the tensors that do not fit its architecture."""
    state = model.state_dict()  # batch norms' counts of batches may be missing: eval mode does not use them
    expected = {
        name: tuple(tensor.shape) for name, tensor in state.items() if name in found or not name.endswith("num_batches_tracked")
    }
    given = {name: tuple(array.shape) for name, array in found.items()}
    wrong = [
        f"{name}: {given.get(name, 'missing')} instead of {shape}"
        for name, shape in expected.items()
        if given.get(name) != shape
    ]
    wrong += [f"{name}: not in {type(model).__name__}" for name in given if name not in expected]
    if wrong:
        raise BadInput(f"{where} holds weights for another architecture ({'; '.join(wrong[:3])})")
    model.load_state_dict(state | {name: torch.tensor(array) for name, array in found.items()})
    return model.eval()
