"""Where and how exactly a network computes: devices by name, and precisions."""

import torch

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.runs import processor

PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU."""
    allowed = ["auto", "cpu", "cuda"]
    if name not in allowed:
        raise unknown("device", name, allowed)
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device 'cuda' asked for, but torch sees no CUDA device here: choose auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
