"""VGG-16 at 1/8 width on real handwritten digits: no batch norm, 13 sites, 528 maps."""

from bench import embedded
from bench.assemble import assemble
from bench.case import Case, case
from bench.data import digits
from bench.models.vgg import VGG16
from bench.training import Recipe

RECIPE = Recipe(VGG16, digits.train, digits.test, epochs=40, rate=2e-3, augment=digits.jitter)


@case(recipe=RECIPE)
def vgg_digits(seed: int) -> Case:
    """VGG-16's plan, small enough to measure every map on a laptop."""
    model = embedded.restore(VGG16(), "vgg-digits", seed)
    why = "more would leave too few of the 1,437 for the fresh examples and a spare"
    return assemble(model, digits.train(), digits.test(), examples=512, why=why)
