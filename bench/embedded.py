"""The trained weights that ship with the repository: one safetensors file per case and seed, checksummed like a run file."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench import runs
from bench.errors import BadInput

FOLDER = Path(__file__).parent / "weights"


def path(case: str, seed: int) -> Path:
    """Where the weights of a case at a seed lie."""
    return FOLDER / f"{case}-{seed}.safetensors"


def seeds(case: str) -> list[int]:
    """The seeds whose weights are there."""
    return sorted(int(file.stem.rsplit("-", 1)[1]) for file in FOLDER.glob(f"{case}-*.safetensors"))


def arrays(model: nn.Module) -> runs.Arrays:
    """The model's parameters and buffers as numpy arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}


def save(model: nn.Module, file: Path, facts: dict[str, Any]) -> None:
    """Stores the weights with the facts of their training."""
    runs.save(file, "weights", arrays(model), facts)


def restore(model: nn.Module, case: str, seed: int) -> nn.Module:
    """The model with the weights of that case and seed, in eval mode."""
    file = path(case, seed)
    if not file.is_file():
        raise BadInput(
            f"{case} has no trained weights for seed {seed}: there are seeds {seeds(case)}; `make train` makes others"
        )
    return fill(model, runs.load(file, "weights").arrays, str(file))


def fill(model: nn.Module, found: runs.Arrays, where: str) -> nn.Module:
    """Puts arrays into a model of the same architecture, in eval mode; names the tensors that do not fit."""
    state = model.state_dict()  # counts of batches seen may be missing: eval mode does not use them
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
