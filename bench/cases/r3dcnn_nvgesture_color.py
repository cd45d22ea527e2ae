"""The paper's third network on colour videos of nvGesture's 25 gestures."""

from functools import partial

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cases.r3dcnn_nvgesture import build, probe
from pruning_oracle.bench.data import nvgesture
from pruning_oracle.bench.loading.fine_tuned import fine_tuned
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.augmentation import films
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe

COLOURS = 3
network, parts = partial(build, channels=COLOURS), partial(nvgesture.load, "color", nvgesture.COLOUR)
RECIPE = FineTuneRecipe(network, network, parts, epochs=100, rate=3e-4, batch=16, augment=films)


@case(training=RECIPE)
def r3dcnn_nvgesture_color(seed: int) -> Case:
    """R3DCNN on nvGesture's colour videos: 8 sites, 2,752 maps."""
    why = "about ten of each gesture"
    return fine_tuned(RECIPE, "r3dcnn-nvgesture-color", seed, examples=256, why=why, probe=probe(nvgesture.CLASSES, COLOURS))
