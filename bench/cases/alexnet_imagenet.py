"""torchvision's AlexNet on ImageNet with the weights it comes with."""

from bench import pretrained
from bench.case import Case, case
from bench.data import imagenet
from bench.transferred import of_parts, small


@case
def alexnet_imagenet(seed: int) -> Case:
    """5 sites, 1,152 maps. One network; the seed chooses the examples."""
    model = pretrained.network("alexnet").eval()
    return of_parts(model, imagenet.load(), examples=5000, why="as many as the paper's", probe=small(model))
