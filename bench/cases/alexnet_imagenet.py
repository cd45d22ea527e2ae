"""torchvision's AlexNet on ImageNet, with the weights that torchvision publishes."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import imagenet
from pruning_oracle.bench.loading.fine_tuned import case_of_splits
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.weights import published


@case
def alexnet_imagenet(seed: int) -> Case:
    """AlexNet on ImageNet: 5 sites, 1,152 maps. All seeds share one network; the seed chooses the examples."""
    model = published.with_weights("alexnet").eval()
    return case_of_splits(model, imagenet.load(), examples=5000, why="as many as the paper's")
