"""torchvision's SqueezeNet with ImageNet weights on a sample of 250 images, which are the test as well: not for pruning."""

from bench import pretrained
from bench.assemble import assemble
from bench.case import Case, case
from bench.data import imagenet
from bench.data.images import View
from bench.transferred import small

VIEW = View(resize=227, crop=227)  # the sample's own size


@case
def squeezenet_imagenet(seed: int) -> Case:
    """25 sites, 2,976 maps; those of the classifier are the network's output."""
    model = pretrained.network("squeezenet1_0").eval()
    parts = imagenet.sample(VIEW)
    half = len(parts.train) // 2
    why = "half of the images there are, so that as many stay fresh"
    return assemble(model, parts.train, parts.test, examples=half, why=why, probe=small(model))
