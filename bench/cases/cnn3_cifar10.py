"""A plain network of three convolutions on CIFAR-10, trained by others: weights and images are read from DATA."""

from bench import embedded
from bench.assemble import assemble
from bench.case import Case, case
from bench.data import cifar10
from bench.models.cnn3 import CNN3


@case
def cnn3_cifar10(seed: int) -> Case:
    """One network; the seed chooses the examples."""
    found = {name: tensor.numpy() for name, tensor in cifar10.weights("cnn3_cifar10.pt").items()}
    model = embedded.fill(CNN3(), found, "cnn3_cifar10.pt")
    train, test = (cifar10.load(split, (0.5,) * 3, (0.5,) * 3) for split in ("train", "test"))
    return assemble(model, train, test, examples=2000, why="112 maps are cheap, and this network's oracle is noisy")
