"""torchvision's ResNet-50 on ImageNet, with the weights that torchvision publishes."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import imagenet
from pruning_oracle.bench.loading.fine_tuned import case_of_splits
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.weights import published


@case
def resnet50_imagenet(seed: int) -> Case:
    """ResNet-50 on ImageNet: 37 sites, some of them residual streams, 11,456 maps.

    All seeds share one network; the seed chooses the examples.
    """
    model = published.with_weights("resnet50").eval()
    return case_of_splits(model, imagenet.load(), examples=5000, why="as many as the paper's")
