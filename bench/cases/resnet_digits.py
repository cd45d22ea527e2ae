"""A residual network with batch norm on real handwritten digits: 10 sites, three of them residual streams."""

from bench import embedded
from bench.assemble import assemble
from bench.case import Case, case
from bench.data import digits
from bench.models.resnet import ResNet14
from bench.training import Recipe

RECIPE = Recipe(ResNet14, digits.train, digits.test, epochs=20, rate=5e-3, augment=digits.jitter)


@case(recipe=RECIPE)
def resnet_digits(seed: int) -> Case:
    """Maps inside the blocks and of the stem one by one; a residual stream's maps in all its convolutions at once."""
    model = embedded.restore(ResNet14(), "resnet-digits", seed)
    why = "more would leave too few of the 1,437 for the fresh examples and a spare"
    return assemble(model, digits.train(), digits.test(), examples=512, why=why)
