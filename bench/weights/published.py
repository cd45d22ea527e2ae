"""Weights that others trained: files under `DATA`/weights, or torchvision's, which are downloaded where they are missing."""

import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning_oracle.bench.data.reading.data_folder import root
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.weights import state_dict

WEIGHTS = "IMAGENET1K_V1"  # tested on images as View in bench/data/reading/images.py shows them by default


def untrained(name: str, classes: int) -> nn.Module:
    """A torchvision network with random weights, for a number of classes."""
    return torchvision_models().get_model(name, weights=None, num_classes=classes)


def with_weights(name: str, classes: int = 1000) -> nn.Module:
    """A torchvision network with its published weights; its head has random weights if the number of classes differs."""
    file = weights_file(name)
    return state_dict.graft(untrained(name, classes), state_dict.read_weights(file), str(file))


def torchvision_weights(name: str) -> Any:
    """Which of torchvision's weights a network gets: `WEIGHTS`, or torchvision's default if it has none of that name.

    Networks for videos, and newer networks, have none of that name.
    """
    known = torchvision_models().get_model_weights(name)
    return known[WEIGHTS] if WEIGHTS in known.__members__ else known.DEFAULT


def torchvision_models() -> Any:
    """The module `torchvision.models`, imported on first use."""
    from torchvision import models  # noqa: PLC0415 (takes a second; the embedded cases do not need it)

    return models


def weights_file(name: str) -> Path:
    """The file of a network's published weights, downloaded if it is not here yet; BadInput if that fails."""
    url = torchvision_weights(name).url
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


def weights_under_data(name: str) -> state_dict.StateDict:
    """The state dict in a file under `DATA`/weights, loaded without running code; BadInput if there is no such file."""
    file = root() / "weights" / name
    if not file.is_file():
        raise BadInput(f"no weights at {file}: set DATA to the folder that holds weights/{name}")
    return state_dict.read_weights(file)
