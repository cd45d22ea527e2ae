"""A residual network with batch norm on real handwritten digits: 10 sites, three of them residual streams."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import digits
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.resnet import ResNet14
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.from_scratch import ScratchRecipe
from pruning_oracle.bench.weights import shipped

RECIPE = ScratchRecipe(ResNet14, digits.train, digits.test, epochs=20, rate=5e-3, augment=digits.jitter)
PRUNING = PruningSettings(remove=16, updates=20, rate=3e-3, target=Target("maps", 0.2), final_updates=200, flops_lambda=0.5)


@case(training=RECIPE, pruning=PRUNING, classes="digits")
def resnet_digits(seed: int) -> Case:
    """ResNet-14 on digits: each map of a residual stream is removed in all the stream's convolutions at once."""
    model = shipped.restore(ResNet14(), "resnet-digits", seed)
    why = "more would leave too few of the 1,437 for the fresh examples and a spare"
    return assemble(model, digits.train(), digits.test(), examples=512, why=why)
