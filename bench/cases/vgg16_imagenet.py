"""torchvision's VGG-16 on ImageNet with the weights it comes with."""

from bench import pretrained
from bench.case import Case, case
from bench.data import imagenet
from bench.transferred import of_parts, small


@case
def vgg16_imagenet(seed: int) -> Case:
    """13 sites, 4,224 maps. One network; the seed chooses the examples."""
    model = pretrained.network("vgg16").eval()
    return of_parts(model, imagenet.load(), examples=5000, why="as many as the paper's", probe=small(model))
