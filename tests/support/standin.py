"""A device that stands in for a GPU: it shows what mixes devices, waits for results, or runs out of memory.

Its tensors live apart from the CPU's: an operation that is given tensors of both fails as on CUDA, `.numpy()` on one fails, and
`.cpu()` brings it back. It computes with the CPU's kernels, so its numbers are the CPU's, to the bit. `DRIVER` counts what a
real one is asked for: bytes held, and moments at which the CPU waits for the device. It says nothing of CUDA's own kernels,
rounding, streams or speed. torch's way of making such a device (torch.utils.backend_registration) is experimental, and holds
for the whole process, in which `auto` then means this device: what imports this file is run in a process of its own.
"""

import math
from collections import Counter
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("standin")
DEVICE = torch.device("standin:0")
aten = torch.ops.aten
BETWEEN = {aten.copy_.default, aten._to_copy.default}  # operations whose job is to bring numbers over
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._unsafe_index.Tensor}  # take CPU indices
WAITS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}


class Driver:
    """What torch asks of a device's driver: memory, in bytes, of which there is `total`; and waiting for its results."""

    def __init__(self) -> None:
        self.total: float = math.inf
        self.held, self.peak = 0, 0
        self.waits = 0  # of the CPU for the device, which a number, a mask as an index, and a copy to the CPU need
        self.released = 0  # times that kept memory was given back
        self.owners: Counter[int] = Counter()  # tensors by the address of the memory that they share

    def take(self, raw: torch.Tensor) -> "Share":
        """Counts a tensor's memory for as long as the answer lives; raises torch.OutOfMemoryError if there is too little."""
        share = Share(raw.untyped_storage().data_ptr(), raw.untyped_storage().nbytes())
        if self.held > self.total:
            raise torch.OutOfMemoryError(f"{self.held} of {self.total} bytes held on the stand-in")
        return share

    def wait(self, device: Any = None) -> None:
        """torch.accelerator.synchronize"""
        self.waits += 1

    def release(self) -> None:
        """torch.accelerator.empty_cache"""
        self.released += 1

    def memory_info(self, device: Any = None) -> tuple[int, int]:
        """torch.accelerator.get_memory_info: bytes that are free, and all bytes."""
        total = 2**33 if math.isinf(self.total) else int(self.total)
        return total - self.held, total

    def most(self, device: Any = None) -> int:
        """torch.accelerator.max_memory_allocated"""
        return self.peak

    def forget(self, device: Any = None) -> None:
        """torch.accelerator.reset_peak_memory_stats"""
        self.peak = self.held


DRIVER = Driver()


class Share:
    """A tensor's share in a piece of memory, which is held while any tensor has one."""

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size = address, size
        if not DRIVER.owners[address]:
            DRIVER.held += size
            DRIVER.peak = max(DRIVER.peak, DRIVER.held)
        DRIVER.owners[address] += 1

    def __del__(self) -> None:
        DRIVER.owners[self.address] -= 1
        if not DRIVER.owners[self.address]:
            DRIVER.held -= self.size


class Away(torch.Tensor):
    """A tensor on the stand-in device; `raw` holds its numbers."""

    raw: torch.Tensor
    share: Share

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "Away":
        made = torch.Tensor._make_wrapper_subclass(
            cls, raw.size(), strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=DEVICE
        )
        made.raw = raw
        made.share = DRIVER.take(raw)
        return made

    def __tensor_flatten__(self):
        return ["raw"], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride):
        return Away(inner["raw"])

    def __repr__(self) -> str:
        return f"Away({self.raw!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """What a tensor made in Python lacks: lists as indices, tolist, and a new `.data` of the same shape."""
        with torch._C.DisableTorchFunctionSubclass():
            if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
                index = args[1] if isinstance(args[1], tuple) else (args[1],)
                sent = (_index(i).to(DEVICE) if isinstance(i, (list, range)) else i for i in index)
                args = (args[0], tuple(sent), *args[2:])
            if func == torch.Tensor.data.__set__ and args[0].shape == args[1].shape:
                args[0].raw, args[0].share = args[1].raw, args[1].share
                return None
            if func is torch.Tensor.tolist:
                return args[0].cpu().tolist()
            return func(*args, **(kwargs or {}))


def _index(rows: Any) -> torch.Tensor:
    return torch.tensor(list(rows)) if rows else torch.empty(0, dtype=torch.long)


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, Away) else value


def _away(value: Any) -> Any:
    return Away(value) if isinstance(value, torch.Tensor) and not isinstance(value, Away) else value


def _is_away(device: Any) -> bool:
    return device is not None and torch.device(device).type == "standin"


def _check_apart(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether tensors of the stand-in are among the inputs; RuntimeError if the CPU's are too, where CUDA forbids it."""
    tensors = [leaf for leaf in tree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    apart = any(isinstance(leaf, Away) for leaf in tensors)
    if apart and func not in BETWEEN and not (func in INDEXING and isinstance(args[0], Away)):
        for leaf in tensors:
            if not isinstance(leaf, Away) and leaf.ndim > 0:
                raise RuntimeError(
                    f"{func}: tensors on {DEVICE} and on the CPU, {tuple(leaf.shape)}, as one operation's inputs"
                )
    return apart


def _waits(func: Any, args: tuple[Any, ...], comes_away: bool) -> bool:
    """Whether a GPU's result must be waited for: a number, a copy to the CPU, or a shape that numbers decide."""
    masked = func in INDEXING and any(part is not None and part.dtype == torch.bool for part in args[1])
    return func in WAITS or masked or (func in BETWEEN and not comes_away)


def _run(func, args, kwargs):
    """The CPU's operation on the numbers, once no tensor of the CPU's is among those of the stand-in."""
    if func is aten._thnn_fused_gru_cell.default:
        return _gru(*args)
    if func is aten._thnn_fused_gru_cell_backward.default:
        return _gru_backward(*args)
    apart = _check_apart(func, args, kwargs)
    device = kwargs.get("device")
    comes_away = apart if device is None else _is_away(device)
    if func is aten.copy_.default:
        comes_away = isinstance(args[0], Away)
    DRIVER.waits += apart and _waits(func, args, comes_away)
    given, named = tree.tree_map(_raw, (args, kwargs))
    if _is_away(device):
        named = {**named, "device": torch.device("cpu")}
    if named.get("pin_memory"):
        named = {**named, "pin_memory": False}
    result = func(*given, **named)
    if comes_away:
        result = tree.tree_map(_away, result)
    if apart and func is not aten._to_copy.default and any(part.alias_info for part in func._schema.returns):
        return return_and_correct_aliasing(func, args, kwargs, result)
    return result


_cells: dict[int, tuple[torch.Tensor, tuple[torch.Tensor, ...]]] = {}  # what a GPU keeps in the cell's workspace


def _gru(inputs, hidden, state, input_bias=None, hidden_bias=None):
    """The fused cell that torch calls on every device but the CPU."""
    i, h, s = _raw(inputs), _raw(hidden), _raw(state)
    i, h = (i if input_bias is None else i + _raw(input_bias)), (h if hidden_bias is None else h + _raw(hidden_bias))
    (ir, iz, i_n), (hr, hz, hn) = i.chunk(3, 1), h.chunk(3, 1)
    r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
    n = torch.tanh(i_n + r * hn)
    workspace = torch.empty(1)
    _cells[id(workspace)] = workspace, (r, z, n, hn, s)
    return Away(n + z * (s - n)), Away(workspace)


def _gru_backward(grad, workspace, has_bias):
    r, z, n, hn, s = _cells[id(_raw(workspace))][1]
    g = _raw(grad)
    slope = g * (1 - z) * (1 - n**2)
    reset, update = slope * hn * r * (1 - r), g * (s - n) * z * (1 - z)
    by_input, by_hidden = torch.cat([reset, update, slope], 1), torch.cat([reset, update, slope * r], 1)
    biases = (Away(by_input.sum(0)), Away(by_hidden.sum(0))) if has_bias else (None, None)
    return Away(by_input), Away(by_hidden), Away(g * z), *biases


class _Made(TorchFunctionMode):
    """`torch.tensor(list, device=…)` is made on the CPU and sent: the constructor in C++ cannot."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and _is_away(kwargs.get("device")):
            return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        return func(*args, **kwargs)


_library = torch.library.Library("_", "IMPL")
_library.fallback(lambda op, *args, **kwargs: _run(op, args, kwargs), "PrivateUse1")
_library.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")  # mixed precision rounds nothing here
_Made().__enter__()
torch.get_device_module("standin").get_amp_supported_dtype = lambda: [torch.bfloat16]
torch.accelerator.synchronize = DRIVER.wait
torch.accelerator.empty_cache = DRIVER.release
torch.accelerator.get_memory_info = DRIVER.memory_info
torch.accelerator.max_memory_allocated = DRIVER.most
torch.accelerator.reset_peak_memory_stats = DRIVER.forget
