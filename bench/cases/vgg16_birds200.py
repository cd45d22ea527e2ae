"""torchvision's VGG-16, fine-tuned from its ImageNet weights on CUB-200-2011, 200 bird species: the paper's first network."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import birds200
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.loading.fine_tuned import fine_tuned, fine_tuned_images
from pruning_oracle.bench.registry import case

RECIPE = fine_tuned_images("vgg16", birds200.load, View(), epochs=60, rate=1e-4)


@case(training=RECIPE)
def vgg16_birds200(seed: int) -> Case:
    """VGG-16 on birds: 13 sites, 4,224 maps."""
    return fine_tuned(RECIPE, "vgg16-birds200", seed, examples=1000, why="five of each species")
