"""The weights that were trained or fine-tuned here, under `trained/`."""

from pathlib import Path

from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.weights.state_dict import fill


def path(case: str, seed: int) -> Path:
    """Where the weights of a case at a seed lie."""
    return runs.TRAINED / f"{case}-{seed}.safetensors"


def restore(model: nn.Module, case: str, seed: int) -> nn.Module:
    """The network with the case's fine-tuned weights, in eval mode."""
    return fill(model, runs.load(existing(case, seed), "weights").arrays, str(path(case, seed)))


def existing(case: str, seed: int) -> Path:
    """The file of a case's fine-tuned weights; where it is missing, what makes it."""
    file = path(case, seed)
    if not file.is_file():
        raise BadInput(
            f"{case} has no fine-tuned weights for seed {seed} at {file}: run `make train CASES={case} SEEDS={seed}`"
        )
    return file
