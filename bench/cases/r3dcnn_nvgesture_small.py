"""The gesture network at 1/8 width on one real take of each gesture, tested on the others: a few clips say little."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import nvgesture
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.data.reading.videos import Screen
from pruning_oracle.bench.loading.fine_tuned import fine_tuned
from pruning_oracle.bench.models.r3dcnn import R3DCNN
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.augmentation import films
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe

SCREEN = Screen(resize=34, crop=32)


def build(classes: int) -> R3DCNN:
    """At 32 × 32 the last pooling leaves 2 × 1 × 1 positions of a clip of 16 frames."""
    return R3DCNN(classes, frames=16, positions=2)


def parts() -> Splits:
    """The first take of each gesture that is there, and all others."""
    return nvgesture.takes(screen=SCREEN)


RECIPE = FineTuneRecipe(build, build, parts, epochs=200, rate=1e-3, batch=5, weight_decay=1e-2, adaptive=True, augment=films)


@case(training=RECIPE)
def r3dcnn_nvgesture_small(seed: int) -> Case:
    """8 sites, 344 maps."""
    return fine_tuned(RECIPE, "r3dcnn-nvgesture-small", seed, examples=12, why="half of the 25 takes", probe=None)
