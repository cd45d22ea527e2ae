"""torchvision's VGG-16, fine-tuned from ImageNet's weights to the 102 flowers."""

from bench.case import Case, case
from bench.data import flowers102
from bench.data.images import View
from bench.transferred import fine_tuned, images

RECIPE = images("vgg16", flowers102.load, View(), epochs=20, rate=1e-3)


@case(transfer=RECIPE)
def vgg16_flowers102(seed: int) -> Case:
    """13 sites, 4,224 maps."""
    return fine_tuned(RECIPE, "vgg16-flowers102", seed, examples=900, why="half of the 1,836 learnt from")
