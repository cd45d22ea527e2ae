"""The gesture network of Molchanov et al. at 1/8 width on generated gesture videos: 8 sites, 344 maps."""

from bench import embedded
from bench.assemble import assemble
from bench.case import Case, case
from bench.data.gestures import CLASSES, Gestures
from bench.models.r3dcnn import R3DCNN
from bench.training import Recipe

TRAIN, TEST = 2400, 600


def build() -> R3DCNN:
    """The untrained network."""
    return R3DCNN(CLASSES)


def train() -> Gestures:
    """Training videos, each made when it is asked for."""
    return Gestures(TRAIN, stream=0)


def test() -> Gestures:
    """Held-out videos."""
    return Gestures(TEST, stream=1)


RECIPE = Recipe(build, train, test, epochs=20, rate=1.5e-3, batch=32)


@case(recipe=RECIPE)
def r3dcnn_gestures(seed: int) -> Case:
    """3D convolutions on clips folded into the batch axis, then a GRU over the clips."""
    model = embedded.restore(build(), "r3dcnn-gestures", seed)
    why = "a video costs 15 times a digit, and 192 still hold 16 of each gesture on average"
    return assemble(model, train(), test(), examples=192, why=why)
