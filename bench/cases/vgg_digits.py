"""VGG-16 at 1/8 width on real handwritten digits: no batch norm, 13 sites, 528 maps."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import digits
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.vgg import VGG16
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.from_scratch import ScratchRecipe
from pruning_oracle.bench.weights import shipped

RECIPE = ScratchRecipe(VGG16, digits.train, digits.test, epochs=40, rate=2e-3, augment=digits.jitter)
PRUNING = PruningSettings(remove=24, updates=20, rate=3e-3, target=Target("maps", 0.2), final_updates=200, flops_lambda=0.5)


@case(training=RECIPE, pruning=PRUNING, classes="digits")
def vgg_digits(seed: int) -> Case:
    """VGG-16's layers on digits, narrow enough to measure every map on a laptop."""
    model = shipped.restore(VGG16(), "vgg-digits", seed)
    why = "more would leave too few of the 1,437 for the fresh examples and a spare"
    return assemble(model, digits.train(), digits.test(), examples=512, why=why)
