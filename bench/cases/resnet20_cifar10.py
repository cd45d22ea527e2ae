"""ResNet-20 on CIFAR-10, trained by others: weights and images are read from DATA."""

from bench import embedded
from bench.assemble import assemble
from bench.case import Case, case
from bench.data import cifar10
from bench.models.resnet20 import ResNet20

NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@case
def resnet20_cifar10(seed: int) -> Case:
    """One network; the seed chooses the examples."""
    found = {name: tensor.numpy() for name, tensor in cifar10.weights("resnet20_cifar10.th").items()}
    model = embedded.fill(ResNet20(), found, "resnet20_cifar10.th")
    train, test = (cifar10.load(split, *NORMALISATION) for split in ("train", "test"))
    return assemble(model, train, test, examples=1024, why="256 leave a noise ceiling of 0.57 within sites")
