"""torchvision's VGG-16, fine-tuned from ImageNet's weights to the 200 birds of CUB-200-2011: the paper's first network."""

from bench.case import Case, case
from bench.data import birds200
from bench.data.images import View
from bench.transferred import fine_tuned, images

RECIPE = images("vgg16", birds200.load, View(), epochs=60, rate=1e-4)


@case(transfer=RECIPE)
def vgg16_birds200(seed: int) -> Case:
    """13 sites, 4,224 maps."""
    return fine_tuned(RECIPE, "vgg16-birds200", seed, examples=1000, why="five of each species")
