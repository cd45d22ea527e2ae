"""Devices and precisions by name: where a network computes, and how exactly; and what each kind of device is asked for.

A GPU is any device that is not the CPU: `torch.accelerator` finds CUDA's, Apple's (mps), Intel's (xpu) and others alike.
"""

import torch
from torch import Tensor

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.runs import processor

PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
ABSENT = (RuntimeError, AssertionError, ImportError)  # what torch raises, by kind, for a device that is not there
CPU = torch.device("cpu")
DEVICES = "auto, cpu, or what torch calls it: cuda, cuda:1, mps, … (default auto)"  # the help of an option --device


def choose_device(name: str) -> torch.device:
    """The device called `auto`, `cpu` or what torch calls it, such as `cuda`, `cuda:1`, `mps` or `xpu`.

    `auto` is the accelerator that torch finds, else the CPU. BadInput for a device that is not here.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return accelerator or CPU
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown("device", name, ["auto", "cpu", accelerator.type if accelerator else "cuda"]) from error
    try:
        torch.zeros(1, device=device).cpu()  # a `meta` tensor can be made, but holds no numbers
    except ABSENT as error:
        here = f"auto, cpu or {accelerator.type}" if accelerator else "auto or cpu"
        raise BadInput(f"device {name!r} asked for, but torch sees no such device here: choose {here}") from error
    return device


def check_precision(precision: str, device: torch.device) -> None:
    """Raises BadInput unless `device` can compute in that precision, a key of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if precision == "tf32" and device.type != "cuda":
        raise BadInput("precision 'tf32' is an NVIDIA GPU's: elsewhere choose float32, float64 or bfloat16")
    try:
        torch.zeros(1, dtype=PRECISIONS[precision], device=device)
    except (TypeError, *ABSENT) as error:  # Apple's GPUs have no float64
        raise BadInput(f"precision {precision!r}: device {device.type!r} cannot compute in it: {error}") from error


def exact_enough(dtype: torch.dtype) -> torch.dtype:
    """The type in which numbers of the type `dtype` are added up and decomposed: float32 for types of 16 bits, else `dtype`.

    A sum in bfloat16 loses whatever is less than a 256th of it, and most decompositions and distances do not exist in it.
    """
    return torch.float32 if dtype in {torch.bfloat16, torch.float16} else dtype


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor, converted to float32 if it holds floating-point numbers of 16 bits."""
    return tensor.to(exact_enough(tensor.dtype))


def device_name(device: torch.device) -> str:
    """The model name of the GPU, or of the processor."""
    if device.type == "cpu":
        return processor()
    name = getattr(torch.get_device_module(device), "get_device_name", None)
    return str(name(device)) if name else device.type


def finish() -> None:
    """Waits until the GPU has done all that it was given; does nothing where none is in use."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator and getattr(torch.get_device_module(accelerator), "is_initialized", lambda: True)():
        torch.accelerator.synchronize()


def release_memory(device: torch.device) -> None:
    """Gives a GPU the memory back that torch keeps for later tensors; a CPU's has none to give."""
    if device.type != "cpu":
        torch.accelerator.empty_cache()


def total_memory(device: torch.device) -> int | None:
    """Bytes of a GPU's memory; None for a CPU and for a GPU that does not say."""
    try:
        return None if device.type == "cpu" else int(torch.accelerator.get_memory_info(device)[1])
    except ABSENT:
        return None
