"""torchvision's SqueezeNet with ImageNet weights on a sample of 250 images, which are also the test set: not for pruning."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import imagenet
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.weights import published

VIEW = View(resize=227, crop=227)  # the size of the sample's images


@case
def squeezenet_imagenet(seed: int) -> Case:
    """SqueezeNet on ImageNet: 25 sites, 2,976 maps; the classifier's maps are left out, since they are the network's output."""
    model = published.with_weights("squeezenet1_0").eval()
    parts = imagenet.sample(VIEW)
    half = len(parts.train) // 2
    why = "half of the images there are, so that as many stay fresh"
    return assemble(model, parts.train, parts.test, examples=half, why=why)
