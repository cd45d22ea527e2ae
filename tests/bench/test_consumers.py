"""Which layers a map feeds, and through which of their channels: by hand on small networks, and on torchvision's."""

import itertools

import pytest
import torch
from networks import (
    CHAINS,
    Carried,
    Chain,
    Multiplied,
    OptionA,
    Packed,
    Shapes,
    case_of,
    own_case,
    torchvision_case,
)
from torch import nn
from toys import pixel_case, toy_case

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.network.layer_kinds import MIXERS


def one_by_one(maps, first=0):
    return [[first + index] for index in range(maps)]


TOYS = {
    "plain": {
        "features.0": [("features.4", one_by_one(5))],
        "features.4": [("classifier", [list(range(16 * index, 16 * index + 16)) for index in range(4)])],
    },
    "residual": {
        "stem": [("branch", one_by_one(4)), ("side", one_by_one(4)), ("mix", one_by_one(4))],
        "side": [("mix", one_by_one(3, first=4))],
        "mix": [("classifier", one_by_one(5))],
    },
    "clips": {"conv": [("recurrent", one_by_one(3))]},
    "twice": {"conv": [("classifier", [[index, 4 + index] for index in range(4)])]},
}


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", TOYS)
def test_toys_by_hand(name, precision):
    assert consumers(toy_case(name, precision=precision)) == TOYS[name]


def test_the_pixel_by_hand():
    assert consumers(pixel_case()) == {"conv": [("read", one_by_one(3))]}


def test_modules_of_other_types_are_found_where_they_stand():
    found = consumers(toy_case("residual"), (nn.BatchNorm2d,))
    assert found["stem"] == [
        ("branch", one_by_one(4)),
        ("norm", one_by_one(4)),
        ("side", one_by_one(4)),
        ("late", one_by_one(4)),
        ("mix", one_by_one(4)),
    ]
    assert found["side"] == [("late", one_by_one(3, first=4)), ("mix", one_by_one(3, first=4))]


def test_a_depthwise_convolution_of_the_site_is_passed():
    assert consumers(case_of(Multiplied(), 1, 6, 6)) == {"conv": [("read", [[0, 1], [2, 3], [4, 5]])]}


def test_a_padded_shortcut():
    assert consumers(case_of(OptionA(), 1, 4, 4)) == {
        "narrow": [("wide", [[0], [1]]), ("read", [[1], [2]])],
        "wide": [("read", [[0], [3]])],
    }


@pytest.mark.parametrize("kind", ["plain", "token", "depthwise", "norm", "attention", "residual", "inplace"])
def test_traps(kind):
    torch.manual_seed(3)
    found = consumers(case_of(Shapes(kind), 1, 6, 6))["gates.0"]
    more = {"attention": "psi", "residual": "conv_2", "inplace": "conv_2"}
    expected = [more[kind]] if kind in more else []
    assert found == [(name, one_by_one(4)) for name in [*expected, "read"]]


@pytest.mark.parametrize("name", CHAINS)
def test_layers(name):
    behind, forward, width = CHAINS[name]
    found = consumers(case_of(Chain(behind, forward, width), 1, 6, 6))
    assert found["conv"] == [("read" if name == "linear along positions" else "behind", one_by_one(4))]
    if isinstance(behind, nn.modules.conv._ConvNd):
        assert found["behind"] == [("read", one_by_one(width))]


def test_halves_of_a_site_may_feed_different_layers():
    halves = nn.ModuleList([nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)])

    def forward(layers, maps):
        first, second = maps[:, :2], maps[:, 2:]
        return torch.relu(layers[0](first)).mean((2, 3)) + torch.relu(layers[1](second)).mean((2, 3))

    found = consumers(case_of(Chain(halves, forward, 3), 1, 6, 6))
    assert found["conv"] == [("behind.0", [[0], [1], [], []]), ("behind.1", [[], [], [0], [1]])]


def test_maps_that_one_channel_carries_in_two_calls_are_one():
    pair = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 1)])

    def forward(layers, maps):
        other = torch.relu(layers[0](maps))
        return torch.relu(layers[1](maps)).mean((2, 3)) + torch.relu(layers[1](other)).mean((2, 3))

    found = consumers(case_of(Chain(pair, forward, 3), 1, 6, 6))
    assert found["conv"] == [("behind.0", one_by_one(4)), ("behind.1", one_by_one(4))]
    assert "behind.0" not in found
    assert found["behind.1"] == [("read", one_by_one(3))]


def test_a_carried_gate_in_front_of_a_depthwise_convolution():
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    found = consumers(case_of(Carried(), 1, 4, 4, carried=[site]))
    assert found == {"conv": [("depthwise", one_by_one(3)), ("read", [[0, 1], [2, 3], [4, 5]])]}


class Beside(Carried):
    """Its channels hold a map and, around or below it, something else: zeros, or what would go with the channel."""

    def __init__(self, beside):
        super().__init__()
        self.beside = beside

    def forward(self, images):
        maps = self.gate(torch.relu(self.conv(images)))
        return self.read(torch.relu(self.depthwise(self.beside(maps))).mean((2, 3)))


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (nn.ZeroPad2d(1), [("depthwise", one_by_one(3)), ("read", [[0, 1], [2, 3], [4, 5]])]),
        (nn.ConstantPad2d(1, 0.5), [("read", [[0, 1], [2, 3], [4, 5]])]),
    ],
)
def test_what_stands_beside_a_map_in_its_channel(beside, expected):
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    assert consumers(case_of(Beside(beside), 1, 4, 4, carried=[site])) == {"conv": expected}


class Mixed(Carried):
    """Its gate stands in front of an operation that mixes all maps."""

    def forward(self, images):
        return self.read(self.depthwise(torch.softmax(self.gate(self.conv(images)), 1)).mean((2, 3)))


@pytest.mark.parametrize("build", [Mixed, Packed])
def test_maps_that_cannot_be_followed_feed_nothing(build):
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    assert consumers(case_of(build(), 1, 4, 4, carried=[site])) == {"conv": []}


def test_a_carried_gate_behind_a_convolution_of_ones_own():
    assert consumers(own_case()) == {"conv": [("depthwise", one_by_one(3)), ("read", [[0, 1], [2, 3], [4, 5]])]}


def test_the_embedded_chain():
    case = load("vgg-digits", 0)
    found = consumers(case)
    names = [site.name for site in case.sites]
    for site, reader in zip(case.sites, [*names[1:], "classifier"], strict=True):
        assert found[site.name] == [(reader, one_by_one(site.maps))]


def test_the_embedded_gesture_network():
    case = load("r3dcnn-gestures", 0)
    found = consumers(case)
    for site, after in zip(case.sites, case.sites[1:], strict=False):
        assert found[site.name] == [(after.name, one_by_one(site.maps))]
    ((reader, channels),) = found[case.sites[-1].name]
    assert reader == "full"
    assert sorted(itertools.chain(*channels)) == list(range(case.model.full.in_features))


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v3_small", "squeezenet1_1"])
def test_every_input_of_every_layer_comes_from_one_map(name):
    """Where every map belongs to a site: all channels are accounted for, but those of the images and of hidden layers."""
    _, case = torchvision_case(name)
    fed = {}
    for entries in consumers(case).values():
        for module, channels in entries:
            fed.setdefault(module, []).extend(itertools.chain(*channels))
    for module, channels in fed.items():
        layer = case.model.get_submodule(module)
        assert sorted(channels) == list(range(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)), module
    layers = {found: module for found, module in case.model.named_modules() if isinstance(module, MIXERS)}
    unread = {found for found, module in layers.items() if found not in fed and getattr(module, "groups", 1) == 1}
    assert unread == {next(iter(layers))} | (layers.keys() & {"classifier.3"}), "one reads the image, one a hidden layer"


def test_resnet18_streams():
    found = consumers(torchvision_case("resnet18")[1])
    readers = {name: [reader for reader, _ in entries] for name, entries in found.items()}
    assert readers["conv1"] == ["layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"]
    assert readers["layer1.0.conv1"] == ["layer1.0.conv2"]
    assert readers["layer4.0.conv2"] == ["layer4.1.conv1", "fc"]


def test_squeezenet_concatenations():
    found = consumers(torchvision_case("squeezenet1_1")[1])
    assert found["features.3.squeeze"] == [
        ("features.3.expand1x1", one_by_one(16)),
        ("features.3.expand3x3", one_by_one(16)),
    ]
    assert found["features.3.expand3x3"] == [("features.4.squeeze", one_by_one(64, first=64))]


def test_nothing_stays_behind_in_the_model():
    case = toy_case("residual")
    inputs = next(case.batches(case.train, range(3), 3)).inputs
    before = case.model(inputs)
    consumers(case)
    assert torch.equal(case.model(inputs), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in case.model.modules())
