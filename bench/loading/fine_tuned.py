"""Cases of networks that are fine-tuned here: the recipe, the fine-tuned weights' place, and the case they make."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.loading.assemble import Probe, assemble
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, held_out
from pruning_oracle.bench.weights import published, trained

SMALL = 64  # pixels


def fine_tuned_images(network: str, load: Callable[[View], Splits], view: View, epochs: int, rate: float) -> FineTuneRecipe:
    """A network of torchvision's, from its ImageNet weights to the classes of a set of images."""

    def start(classes: int) -> nn.Module:
        return published.with_weights(network, classes)

    return FineTuneRecipe(lambda classes: published.untrained(network, classes), start, lambda: load(view), epochs, rate)


def fine_tuned(
    recipe: FineTuneRecipe,
    case: str,
    seed: int,
    *,
    examples: int,
    why: str,
    probe: Probe | Literal["small"] | None = "small",
) -> Case:
    """The case of a recipe whose weights `make train` made."""
    trained.existing(case, seed)  # said before the data are read
    parts = recipe.parts()
    model = trained.restore(recipe.build(len(parts.classes)), case, seed)
    return case_of_splits(model, parts, examples=examples, why=why, probe=small_probe(model) if probe == "small" else probe)


def case_of_splits(model: nn.Module, parts: Splits, *, examples: int, why: str, probe: Probe | None) -> Case:
    """A case of a trained network and a data set's parts; what is left out of them is said with the number of examples."""
    said = f"{why}; {parts.left_out}" if parts.left_out else why
    return assemble(model, held_out(parts)[0], parts.test, examples=examples, why=said, probe=probe)


def small_probe(model: nn.Module) -> Probe:
    """Small images: a network that pools to a fixed size has the same sites at any, and they are found sooner."""
    return model, torch.randn(2, 3, SMALL, SMALL, generator=torch.Generator().manual_seed(0))
