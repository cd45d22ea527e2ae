"""The trained weights of the embedded cases: one checksummed file per case and seed, shipped or trained here."""

from pathlib import Path
from typing import Any

from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.provenance import PROJECT
from pruning_oracle.bench.weights import trained
from pruning_oracle.bench.weights.state_dict import arrays, fill

FOLDER = Path(__file__).parent


def path(case: str, seed: int) -> Path:
    """The file of a case's weights for a seed: one that ships with the suite, else one that was trained here."""
    file = FOLDER / f"{case}-{seed}.safetensors"
    return file if file.is_file() else trained.path(case, seed)


def path_to_write(case: str, seed: int) -> Path:
    """The file for new weights: beside the shipped ones in a checkout, in `trained/` if the suite is an installed copy."""
    return FOLDER / f"{case}-{seed}.safetensors" if PROJECT.is_file() else trained.path(case, seed)


def seeds(case: str) -> list[int]:
    """The seeds for which a case has weights."""
    files = [file for folder in (FOLDER, runs.TRAINED) for file in folder.glob(f"{case}-*.safetensors")]
    return sorted({int(file.stem.rsplit("-", 1)[1]) for file in files if file.stem.rsplit("-", 1)[1].isdecimal()})


def save(model: nn.Module, file: Path, facts: dict[str, Any]) -> None:
    """Stores a model's weights, with facts about their training."""
    runs.save(file, "weights", arrays(model), facts)


def restore(model: nn.Module, case: str, seed: int) -> nn.Module:
    """The model with the weights of a case for a seed, in eval mode; BadInput if there are none."""
    file = path(case, seed)
    if not file.is_file():
        raise BadInput(
            f"{case} has no trained weights for seed {seed}: there are seeds {seeds(case)}; `make train` makes others"
        )
    return fill(model, trained.weights_of(file, case, seed), str(file))
