"""torchvision's networks with the ImageNet weights of its first recipe, from `DATA`/weights or torchvision's own download."""

import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench import state
from bench.data.place import root
from bench.errors import BadInput

WEIGHTS = "IMAGENET1K_V1"  # tested as bench.data.images.View shows images


def untrained(name: str, classes: int) -> nn.Module:
    """A network of torchvision's with random weights."""
    return models().get_model(name, weights=None, num_classes=classes)


def network(name: str, classes: int = 1000) -> nn.Module:
    """A network with ImageNet's weights; other than 1,000 classes get a head of random weights."""
    file = place(name)
    return state.graft(untrained(name, classes), state.read(file), str(file))


def published(name: str) -> Any:
    """Which weights those are: for networks without that recipe (videos, newer ones) the ones that torchvision recommends."""
    known = models().get_model_weights(name)
    return known[WEIGHTS] if WEIGHTS in known.__members__ else known.DEFAULT


def models() -> Any:
    """torchvision's networks."""
    from torchvision import models  # noqa: PLC0415 (a second's import that the embedded cases do not need)

    return models


def place(name: str) -> Path:
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
