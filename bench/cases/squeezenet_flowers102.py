"""torchvision's SqueezeNet, fine-tuned from its ImageNet weights on Flowers-102 at 128 pixels: feasible on two CPU cores."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import flowers102
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.loading.fine_tuned import fine_tuned, fine_tuned_images
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case

RECIPE = fine_tuned_images("squeezenet1_0", flowers102.load, View(resize=128, crop=128), epochs=20, rate=3e-4)
PRUNING = PruningSettings(
    remove=200, updates=20, rate=3e-4, target=Target("maps", 0.4), final_updates=205, tested=400, flops_lambda=0.1
)


@case(training=RECIPE, pruning=PRUNING)
def squeezenet_flowers102(seed: int) -> Case:
    """SqueezeNet on flowers: 25 sites, 2,976 maps; the classifier's maps are left out, since they are the network's output."""
    return fine_tuned(RECIPE, "squeezenet-flowers102", seed, examples=512, why="five of each flower, and hours on two cores")
