"""Weights that others trained: under `DATA`/weights, or torchvision's own, which it downloads where they are missing."""

import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning_oracle.bench.data.reading.data_folder import root
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.weights import state_dict

WEIGHTS = "IMAGENET1K_V1"  # tested as bench.data.images.View shows images


def untrained(name: str, classes: int) -> nn.Module:
    """A network of torchvision's with random weights."""
    return torchvision_models().get_model(name, weights=None, num_classes=classes)


def with_weights(name: str, classes: int = 1000) -> nn.Module:
    """A network with ImageNet's weights; other than 1,000 classes get a head of random weights."""
    file = weights_file(name)
    return state_dict.graft(untrained(name, classes), state_dict.read_weights(file), str(file))


def published(name: str) -> Any:
    """Which weights those are: for networks without that recipe (videos, newer ones) the ones that torchvision recommends."""
    known = torchvision_models().get_model_weights(name)
    return known[WEIGHTS] if WEIGHTS in known.__members__ else known.DEFAULT


def torchvision_models() -> Any:
    """torchvision's networks."""
    from torchvision import models  # noqa: PLC0415 (a second's import that the embedded cases do not need)

    return models


def weights_file(name: str) -> Path:
    """The file of a network's weights, fetched where it lies nowhere."""
    url = published(name).url
    file = url.rsplit("/", 1)[1]
    own, fetched = root() / "weights", Path(torch.hub.get_dir()) / "checkpoints"
    for candidate in (own / file, own / f"{name}_imagenet.pt", fetched / file):
        if candidate.is_file():
            return candidate
    try:
        torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise BadInput(
            f"no ImageNet weights of {name}: put torchvision's {file} into {own}; its download failed ({error})"
        ) from error
    return fetched / file


def own_file(name: str) -> state_dict.StateDict:
    """A state dict under `DATA`/weights, loaded without running code."""
    file = root() / "weights" / name
    if not file.is_file():
        raise BadInput(f"no weights at {file}: set DATA to the folder that holds weights/{name}")
    return state_dict.read_weights(file)
