"""Cases of networks that are fine-tuned here: the recipe, the fine-tuned weights' place, and the case they make."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from bench import embedded, pretrained, runs
from bench.assemble import Probe, assemble
from bench.case import Case
from bench.data.images import View
from bench.data.parts import Parts
from bench.errors import BadInput
from bench.transfer import Transfer, apart

SMALL = 64  # pixels


def path(case: str, seed: int) -> Path:
    """Where the fine-tuned weights of a case at a seed lie."""
    return runs.TRAINED / f"{case}-{seed}.safetensors"


def images(network: str, load: Callable[[View], Parts], view: View, epochs: int, rate: float) -> Transfer:
    """A network of torchvision's, from its ImageNet weights to the classes of a set of images."""

    def start(classes: int) -> nn.Module:
        return pretrained.network(network, classes)

    return Transfer(lambda classes: pretrained.untrained(network, classes), start, lambda: load(view), epochs, rate)


def restore(model: nn.Module, case: str, seed: int) -> nn.Module:
    """The network with the case's fine-tuned weights, in eval mode."""
    return embedded.fill(model, runs.load(there(case, seed), "weights").arrays, str(path(case, seed)))


def there(case: str, seed: int) -> Path:
    """The file of a case's fine-tuned weights; where it is missing, what makes it."""
    file = path(case, seed)
    if not file.is_file():
        raise BadInput(
            f"{case} has no fine-tuned weights for seed {seed} at {file}: run `make train CASES={case} SEEDS={seed}`"
        )
    return file


def fine_tuned(
    recipe: Transfer, case: str, seed: int, *, examples: int, why: str, probe: Probe | Literal["small"] | None = "small"
) -> Case:
    """The case of a recipe whose weights `make train` made."""
    there(case, seed)  # said before the data are read
    parts = recipe.parts()
    model = restore(recipe.build(len(parts.classes)), case, seed)
    return of_parts(model, parts, examples=examples, why=why, probe=small(model) if probe == "small" else probe)


def of_parts(model: nn.Module, parts: Parts, *, examples: int, why: str, probe: Probe | None) -> Case:
    """A case of a trained network and a data set's parts; what is left out of them is said with the number of examples."""
    said = f"{why}; {parts.left_out}" if parts.left_out else why
    return assemble(model, apart(parts)[0], parts.test, examples=examples, why=said, probe=probe)


def small(model: nn.Module) -> Probe:
    """Small images: a network that pools to a fixed size has the same sites at any, and they are found sooner."""
    return model, torch.randn(2, 3, SMALL, SMALL, generator=torch.Generator().manual_seed(0))
