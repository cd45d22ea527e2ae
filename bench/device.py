"""Devices and precisions by name: where a network computes, and how exactly."""

import torch

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.runs import processor

PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """The device called `auto`, `cpu` or `cuda`; `auto` is CUDA where available, else the CPU. BadInput for any other name."""
    allowed = ["auto", "cpu", "cuda"]
    if name not in allowed:
        raise unknown("device", name, allowed)
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device 'cuda' asked for, but torch sees no CUDA device here: choose auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The model name of the GPU, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
