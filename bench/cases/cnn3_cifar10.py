"""A plain network of three convolutions on CIFAR-10, trained by others: its weights and the images are read from `DATA`."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import cifar10
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.cnn3 import CNN3
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.weights import published, state_dict

PRUNING = PruningSettings(
    remove=6, updates=20, rate=3e-3, target=Target("maps", 0.3), final_updates=200, tested=2000, flops_lambda=0.1
)


@case(pruning=PRUNING, classes="cifar10")
def cnn3_cifar10(seed: int) -> Case:
    """CNN3 on CIFAR-10. All seeds share one network; the seed chooses the examples."""
    model = state_dict.load_into(CNN3(), published.weights_under_data("cnn3_cifar10.pt"), "cnn3_cifar10.pt")
    train, test = (cifar10.load(split, (0.5,) * 3, (0.5,) * 3) for split in ("train", "test"))
    return assemble(model, train, test, examples=2000, why="112 maps are cheap, and this network's oracle is noisy")
