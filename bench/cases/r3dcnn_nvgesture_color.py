"""The paper's third network on the same gestures as a colour camera saw them."""

from functools import partial

from bench.augmentation import films
from bench.case import Case, case
from bench.cases.r3dcnn_nvgesture import build, probe
from bench.data import nvgesture
from bench.transfer import Transfer
from bench.transferred import fine_tuned

COLOURS = 3
network, parts = partial(build, channels=COLOURS), partial(nvgesture.load, "color", nvgesture.COLOUR)
RECIPE = Transfer(network, network, parts, epochs=100, rate=3e-4, batch=16, augment=films)


@case(transfer=RECIPE)
def r3dcnn_nvgesture_color(seed: int) -> Case:
    """8 sites, 2,752 maps."""
    why = "about ten of each gesture"
    return fine_tuned(RECIPE, "r3dcnn-nvgesture-color", seed, examples=256, why=why, probe=probe(nvgesture.CLASSES, COLOURS))
