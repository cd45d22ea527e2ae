"""R3DCNN at 1/8 width, trained on one real clip of each gesture and tested on the others: too few for firm conclusions."""

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
    """The network with random weights; at 32 × 32 pixels its last pooling leaves 2 × 1 × 1 positions of a clip of 16 frames."""
    return R3DCNN(classes, frames=16, positions=2)


def parts() -> Splits:
    """The first available clip of each gesture for training, all others for testing."""
    return nvgesture.takes(screen=SCREEN)


RECIPE = FineTuneRecipe(build, build, parts, epochs=200, rate=1e-3, batch=5, weight_decay=1e-2, adaptive=True, augment=films)


@case(training=RECIPE)
def r3dcnn_nvgesture_small(seed: int) -> Case:
    """R3DCNN on a few of nvGesture's depth videos: 8 sites, 344 maps."""
    return fine_tuned(RECIPE, "r3dcnn-nvgesture-small", seed, examples=12, why="half of the 25 takes")
