"""torchvision's AlexNet, fine-tuned from ImageNet's weights to the 200 birds of CUB-200-2011."""

from bench.case import Case, case
from bench.data import birds200
from bench.data.images import View
from bench.transferred import fine_tuned, images

RECIPE = images("alexnet", birds200.load, View(), epochs=60, rate=1e-4)


@case(transfer=RECIPE)
def alexnet_birds200(seed: int) -> Case:
    """5 sites, 1,152 maps."""
    return fine_tuned(RECIPE, "alexnet-birds200", seed, examples=1000, why="five of each species")
