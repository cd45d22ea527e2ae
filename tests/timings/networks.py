"""The networks that engines are timed on, and a sample of their maps where all would take hours."""

import copy
import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import nn
from torch.utils.data import TensorDataset

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.models.r3dcnn import R3DCNN
from pruning_oracle.bench.models.vgg import VGG16
from pruning_oracle.bench.network.gates import Gate


@dataclass(frozen=True)
class Setup:
    """A case, how many examples are timed, and how many maps of it, spread evenly over all (None: every one)."""

    case: Callable[[], Case]
    examples: int
    maps: int | None
    goals: tuple[float, float]  # times as fast as literal, as captum


def random_weights(build: Callable[[], nn.Module], *shape: int) -> Case:
    """A network with random weights on random inputs: what it says means nothing, what it takes does."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(40, *shape), torch.arange(40) % 10)
    return assemble(build().eval(), data, data)


def c3d() -> nn.Module:
    """Full width, clips of 16 frames: the last pooling leaves 2 × 3 × 3 positions."""
    return R3DCNN(25, shrink=1, frames=16, hidden=256, positions=18)


tv, embedded = torchvision.models, {"vgg-digits": 128, "resnet-digits": 128, "r3dcnn-gestures": 64}
SETUPS = {name: Setup(functools.partial(load, name, 0), examples, None, (5, 6)) for name, examples in embedded.items()} | {
    "VGG-16, 32²": Setup(lambda: random_weights(lambda: VGG16(3, shrink=1), 3, 32, 32), 32, 96, (4.5, 6)),
    "VGG-16, 224²": Setup(lambda: random_weights(lambda: tv.vgg16(weights=None), 3, 224, 224), 8, 32, (4.5, 6)),
    "AlexNet, 224²": Setup(lambda: random_weights(lambda: tv.alexnet(weights=None), 3, 224, 224), 16, 96, (5, 6)),
    "ResNet-50, 224²": Setup(lambda: random_weights(lambda: tv.resnet50(weights=None), 3, 224, 224), 4, 106, (3, 4)),
    "C3D + GRU, 112²": Setup(lambda: random_weights(c3d, 1, 32, 112, 112), 1, 32, (7, 8)),
}


def thin(case: Case, count: int | None) -> Case:
    """The same case with only `count` of its maps to remove, every n-th of all of them."""
    total = sum(site.maps for site in case.sites)
    if count is None or count >= total:
        return case
    wanted = {round((place + 0.5) * total / count - 0.5) for place in range(count)}
    model, sites, first = copy.deepcopy(case.model), [], 0
    for site in case.sites:
        chosen = [index for index in range(site.maps) if first + index in wanted]
        first += site.maps
        if chosen:
            sites.append(_only(model, site, chosen))
    return dataclasses.replace(case, model=model, sites=tuple(sites))


def _only(model: nn.Module, site: Site, chosen: list[int]) -> Site:
    """A site of some of the maps; its gates in `model` are changed to hold no others."""
    new = {index: place for place, index in enumerate(chosen)}
    for name in site.gates:
        gate = model.get_submodule(name)
        assert isinstance(gate, Gate)
        model.set_submodule(name, Gate([new.get(index, -1) for index in gate.maps], gate.axis))
    channels = tuple(tuple(new.get(index, -1) for index in convolution) for convolution in site.channels)
    return dataclasses.replace(site, maps=len(chosen), channels=channels)
