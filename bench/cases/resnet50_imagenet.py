"""torchvision's ResNet-50 on ImageNet with the weights it comes with."""

from bench import pretrained
from bench.case import Case, case
from bench.data import imagenet
from bench.transferred import of_parts, small


@case
def resnet50_imagenet(seed: int) -> Case:
    """37 sites, 11,456 maps, residual streams among them. One network; the seed chooses the examples."""
    model = pretrained.network("resnet50").eval()
    return of_parts(model, imagenet.load(), examples=5000, why="as many as the paper's", probe=small(model))
