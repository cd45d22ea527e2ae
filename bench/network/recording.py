"""Records what a network's forward pass calls, by running it: torch's own layers as one call each, else torch's functions.

Unlike a symbolic trace, this follows any Python code: loops over lists of tensors, branches on shapes, hooks. What a
recording cannot hold is a decision by the values of the data, which is refused where it happens.
"""

import linecache
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from torch.utils.weak import WeakTensorKeyDictionary

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.seen_calls import in_eager_float32, leaf_calls, own_functions

# what turns a tensor into values of Python
LOOKS = {"__bool__", "__int__", "__float__", "__index__", "__complex__", "__contains__", "__array__"}
LOOKS |= {"item", "tolist", "numpy", "is_nonzero", "equal", "allclose"}
ORDER = ["", "weights", "input"]  # what a tensor depends on: each outweighs those before it
INTERNAL = (f"{Path(torch.__file__).parent}{os.sep}", __file__)


@dataclass(frozen=True)
class Source:
    """Where a tensor comes from: a call by its number, the parameter or buffer `name`, or the input if neither is given.

    `path` leads to it inside the call's result.
    """

    call: int | None = None
    path: tuple[Any, ...] = ()
    name: str | None = None


@dataclass
class Call:
    """A call: of the module `target`, if it is a name, or of a function.

    In its arguments, Sources stand for tensors, but for those that come from neither the input nor the network's parameters and
    buffers. `reads` says what it depends on: "input", "weights" or nothing; if on nothing, `result` holds what it gave.
    """

    target: str | Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    line: str  # where it is written
    reads: str
    result: Any = None


@dataclass
class Recording:
    """All calls of one forward pass, in their order, and its output with Sources in place of tensors."""

    calls: list[Call] = field(default_factory=list)
    output: Any = None


@torch.no_grad()
def record(model: nn.Module, inputs: Tensor, is_leaf: Callable[[nn.Module, str], bool]) -> Recording:
    """Runs the network and records it; modules for which `is_leaf(module, name)` holds are one call each.

    BadInput if the network looks at the values of its data.
    """
    recorder = _Recorder(model, inputs)
    calls = leaf_calls(recorder.called, model, is_leaf), own_functions(recorder.called)
    with calls[0], calls[1], in_eager_float32(), recorder:
        output = model(inputs)
    recorder.recording.output = recorder.sources(output)
    return recorder.recording


class _Recorder(TorchFunctionMode):
    """Notes every call of one pass, and for every tensor where it comes from."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.recording = Recording()
        self.known: Any = WeakTensorKeyDictionary()  # tensor -> Source
        self.stale: Any = WeakTensorKeyDictionary()  # tensor -> the line that wrote into a part of it
        self.base: Any = WeakTensorKeyDictionary()  # tensor that indexing gave -> what was indexed, and the index
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            self.known[value] = Source(name=name)
        self.known[inputs] = Source()
        self.busy = False  # inside a call that is being recorded

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.called(function, function, *args, **(kwargs or {}))

    def called(self, target: Any, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Runs a function or leaf module; records the call if it gives or changes tensors. BadInput if it looks at data."""
        if self.busy:
            return run(*args, **kwargs)
        self.busy = True
        try:
            before = [leaf for leaf in tree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            if getattr(target, "__name__", "") in LOOKS and "input" in map(self._reads, before):
                raise BadInput(f"its forward pass decides by the values of its data, {here()}")
            versions = [leaf._version for leaf in before]
            result = run(*args, **kwargs)
            if getattr(target, "__name__", "") == "requires_grad_":  # it changes no numbers
                return result
            written = [leaf for leaf, version in zip(before, versions, strict=True) if leaf._version != version]
            if written or any(_tensors(result)):
                return self._note(target, (args, kwargs), before, written, result)
            return result
        finally:
            self.busy = False

    def sources(self, value: Any) -> Any:
        """A value with Sources in place of the tensors that have one; BadInput for a tensor of which a part was overwritten."""
        return tree.tree_map_only(Tensor, self._source, value)

    def _source(self, tensor: Tensor) -> Source | Tensor:
        if tensor in self.stale:
            raise BadInput(f"its forward pass overwrites a part of a value that it reads later, {self.stale[tensor]}")
        return self.known.get(tensor) or tensor.detach().clone()

    def _reads(self, tensor: Tensor) -> str:
        source = self.known.get(tensor)
        if source is None:
            return ""
        if source.call is None:
            return "input" if source.name is None else "weights"
        return self.recording.calls[source.call].reads

    def _note(self, target: Any, given: Any, before: list[Tensor], written: list[Tensor], result: Any) -> Any:
        """Appends a call, and notes the sources of the tensors that it gave or changed; returns its result."""
        reads = max([*map(self._reads, before), "weights" if isinstance(target, str) else ""], key=ORDER.index)
        call = self._append(target, self.sources(given), reads)
        kept = {id(leaf) for leaf in before} - {id(leaf) for leaf in written}
        # a value that is passed on as it is gets a second name, so that the first keeps its source
        result = tree.tree_map_only(Tensor, lambda leaf: leaf.detach() if id(leaf) in kept else leaf, result)
        for path, leaf in _tensors(result):
            self.known[leaf] = Source(call, path)
        parts: dict[int, Tensor] = {}
        if target is Tensor.__setitem__:
            whole, index, _ = given[0]
            self.known[whole] = Source(call)
            parts[id(whole)] = whole[index]
        elif target is Tensor.__getitem__ and _overlap(result, given[0][0]):
            self.base[result] = given[0]
        returned = [leaf for leaf in written if leaf in self.known and self.known[leaf].call == call]
        if any(not any(_overlap(leaf, other) for other in returned) for leaf in written):  # views count as written together
            raise BadInput(f"its forward pass writes into a value by a call that does not return it, {here()}")
        for leaf in returned:
            self._overwritten(leaf, parts.get(id(leaf), leaf))
        if not reads:
            self.recording.calls[call].result = tree.tree_map_only(
                Tensor, lambda leaf: leaf.detach().clone(), given[0][0] if target is Tensor.__setitem__ else result
            )
        return result

    def _append(self, target: Any, given: tuple[Any, Any], reads: str) -> int:
        self.recording.calls.append(Call(target, *given, here(), reads))
        return len(self.recording.calls) - 1

    def _overwritten(self, tensor: Tensor, touched: Tensor) -> None:
        """After a call wrote into a tensor, at `touched`: what shares numbers with that part is stale, unless it is whole."""
        for other in list(self.known):
            if other is not tensor and _overlap(touched, other):
                self.stale[other] = here()
        self._settled(tensor)

    def _settled(self, tensor: Tensor) -> None:
        """Lets what has the same numbers as a tensor with a source have that too, and what the tensor was indexed from."""
        for other in list(self.known):
            if other is tensor or (_overlap(tensor, other) and _geometry(other) == _geometry(tensor)):
                self.known[other] = self.known[tensor]
                self.stale.pop(other, None)
        if tensor in self.base:
            whole, index = self.base[tensor]
            reads = max(self._reads(whole), self._reads(tensor), key=ORDER.index)
            old = self.known.get(whole) or whole.detach().clone()
            self.known[whole] = Source(self._append(Tensor.__setitem__, ((old, *self.sources((index, tensor))), {}), reads))
            self._settled(whole)


def here() -> str:
    """The innermost line outside of torch that is being run: its file, its number and its text."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INTERNAL):
        frame = frame.f_back
    name, number = frame.f_code.co_filename, frame.f_lineno
    return f"{name}, line {number}, `{linecache.getline(name, number).strip()[:100]}`"


def _tensors(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """The tensors in nested tuples, lists and dictionaries, with the indices and keys that lead to each."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, (tuple, list, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _tensors(part, (*path, key))


def _geometry(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.dtype


def _overlap(written: Tensor, other: Tensor) -> bool:
    """Whether a tensor that was written into shares numbers with another."""
    if written.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return False
    if written.dtype != other.dtype:
        return True
    touched = torch.zeros(written.untyped_storage().nbytes() // written.element_size(), dtype=torch.bool)
    touched.as_strided(written.shape, written.stride(), written.storage_offset()).fill_(True)
    return bool(touched.as_strided(other.shape, other.stride(), other.storage_offset()).any())
