"""Cases of networks that this suite fine-tunes: a recipe for torchvision's networks, and a case of the fine-tuned weights."""

from collections.abc import Callable

from torch import nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.loading.assemble import Probe, assemble
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, held_out
from pruning_oracle.bench.weights import published, trained


def fine_tuned_images(network: str, load: Callable[[View], Splits], view: View, epochs: int, rate: float) -> FineTuneRecipe:
    """The recipe that fine-tunes a torchvision network, from its ImageNet weights, on the images that `load` gives."""

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
    probe: Probe | None = None,
) -> Case:
    """The case of a network that `make train` fine-tuned by `recipe`; BadInput if its weights are missing.

    `probe` is that of `assemble`.
    """
    trained.existing(case, seed)  # so that missing weights are reported before the data are read
    parts = recipe.parts()
    model = trained.restore(recipe.build(len(parts.classes)), case, seed)
    return case_of_splits(model, parts, examples=examples, why=why, probe=probe)


def case_of_splits(model: nn.Module, parts: Splits, *, examples: int, why: str, probe: Probe | None = None) -> Case:
    """The case of a trained network and a data set's parts; its `why` also tells which examples could not be read."""
    said = f"{why}; {parts.left_out}" if parts.left_out else why
    return assemble(model, held_out(parts)[0], parts.test, examples=examples, why=said, probe=probe)
