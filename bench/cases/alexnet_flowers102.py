"""torchvision's AlexNet, fine-tuned from ImageNet's weights to the 102 flowers: the paper's second network."""

from bench.case import Case, case
from bench.data import flowers102
from bench.data.images import View
from bench.transferred import fine_tuned, images

RECIPE = images("alexnet", flowers102.load, View(), epochs=20, rate=1e-3)


@case(transfer=RECIPE)
def alexnet_flowers102(seed: int) -> Case:
    """5 sites, 1,152 maps."""
    return fine_tuned(
        RECIPE,
        "alexnet-flowers102",
        seed,
        examples=900,
        why="half of the 1,836 learnt from",
    )
