"""torchvision's SqueezeNet, fine-tuned from ImageNet's weights to the 102 flowers at 128 pixels: what two CPU cores can do."""

from bench.case import Case, case
from bench.data import flowers102
from bench.data.images import View
from bench.transferred import fine_tuned, images

RECIPE = images("squeezenet1_0", flowers102.load, View(resize=128, crop=128), epochs=20, rate=3e-4)


@case(transfer=RECIPE)
def squeezenet_flowers102(seed: int) -> Case:
    """25 sites, 2,976 maps; those of the classifier are the network's output."""
    return fine_tuned(RECIPE, "squeezenet-flowers102", seed, examples=512, why="five of each flower, and hours on two cores")
