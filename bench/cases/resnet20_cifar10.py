"""ResNet-20 on CIFAR-10, trained by others: its weights and the images are read from `DATA`."""

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import cifar10
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.cifar_resnet import CifarResNet
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.weights import published, state_dict

NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


PRUNING = PruningSettings(
    remove=20, updates=20, rate=3e-3, target=Target("maps", 0.4), final_updates=200, tested=2000, flops_lambda=0.1
)


@case(pruning=PRUNING, classes="cifar10")
def resnet20_cifar10(seed: int) -> Case:
    """ResNet-20 on CIFAR-10. All seeds share one network; the seed chooses the examples."""
    model = state_dict.load_into(CifarResNet(3), published.weights_under_data("resnet20_cifar10.th"), "resnet20_cifar10.th")
    train, test = (cifar10.load(split, *NORMALISATION) for split in ("train", "test"))
    return assemble(model, train, test, examples=1024, why="256 leave a noise ceiling of 0.57 within sites")
