"""Weights that were trained or fine-tuned here, in the folder `trained/`."""

from pathlib import Path

from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.weights.state_dict import fill


def path(case: str, seed: int) -> Path:
    """The file of a case's weights for a seed, which need not exist."""
    return runs.TRAINED / f"{case}-{seed}.safetensors"


def restore(model: nn.Module, case: str, seed: int) -> nn.Module:
    """The network with a case's fine-tuned weights for a seed, in eval mode; BadInput if there are none."""
    return fill(model, weights_of(existing(case, seed), case, seed), str(path(case, seed)))


def weights_of(file: Path, case: str, seed: int) -> runs.Arrays:
    """The weights in a file, as arrays; BadInput if it says that they are of another case or seed."""
    content = runs.load(file, "weights")
    own = content.facts.get("case", case), content.facts.get("seed", seed)
    if own != (case, seed):
        raise BadInput(f"{file} holds the weights of {own[0]} seed {own[1]}, not of {case} seed {seed}: put its own there")
    return content.arrays


def existing(case: str, seed: int) -> Path:
    """The file of a case's fine-tuned weights for a seed; if it is missing, BadInput names the command that makes it."""
    file = path(case, seed)
    if not file.is_file():
        raise BadInput(
            f"{case} has no fine-tuned weights for seed {seed} at {file}: run `make train CASES={case} SEEDS={seed}`"
        )
    return file
