"""The paper's third network on depth videos of 25 gestures: C3D at full width on clips of 16 frames, then a recurrent layer."""

import torch

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import nvgesture
from pruning_oracle.bench.loading.assemble import Probe
from pruning_oracle.bench.loading.fine_tuned import fine_tuned
from pruning_oracle.bench.models.r3dcnn import R3DCNN
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.augmentation import films
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe


def build(classes: int, positions: int = 18, channels: int = 1) -> R3DCNN:
    """The network with random weights; at 112 × 112 pixels its last pooling leaves 2 × 3 × 3 `positions` of a clip."""
    return R3DCNN(classes, channels, shrink=1, frames=16, hidden=256, positions=positions)


def probe(classes: int, channels: int = 1) -> Probe:
    """The network for smaller inputs, and two such videos: two clips of 32 × 32 pixels each, pooled to 2 positions."""
    return build(classes, 2, channels).eval(), torch.zeros(2, channels, 32, 32, 32)


RECIPE = FineTuneRecipe(build, build, nvgesture.load, epochs=100, rate=3e-4, batch=16, augment=films)


@case(training=RECIPE)
def r3dcnn_nvgesture(seed: int) -> Case:
    """R3DCNN on nvGesture's depth videos: 8 sites, 2,752 maps."""
    why = "about ten of each gesture"
    return fine_tuned(RECIPE, "r3dcnn-nvgesture", seed, examples=256, why=why, probe=probe(nvgesture.CLASSES))
