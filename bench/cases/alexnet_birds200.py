"""torchvision's AlexNet, fine-tuned from its ImageNet weights on the 200 bird species of CUB-200-2011."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import birds200
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.loading.fine_tuned import fine_tuned, fine_tuned_images
from pruning_oracle.bench.registry import case

RECIPE = fine_tuned_images("alexnet", birds200.load, View(), epochs=60, rate=1e-4)


@case(training=RECIPE)
def alexnet_birds200(seed: int) -> Case:
    """AlexNet on birds: 5 sites, 1,152 maps."""
    return fine_tuned(RECIPE, "alexnet-birds200", seed, examples=1000, why="five of each species")
