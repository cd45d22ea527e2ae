"""torchvision's AlexNet, fine-tuned from its ImageNet weights on Flowers-102: the paper's second network."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import flowers102
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.loading.fine_tuned import fine_tuned, fine_tuned_images
from pruning_oracle.bench.registry import case

RECIPE = fine_tuned_images("alexnet", flowers102.load, View(), epochs=20, rate=1e-3)


@case(training=RECIPE)
def alexnet_flowers102(seed: int) -> Case:
    """AlexNet on flowers: 5 sites, 1,152 maps."""
    return fine_tuned(
        RECIPE,
        "alexnet-flowers102",
        seed,
        examples=900,
        why="half of the 1,836 learnt from",
    )
