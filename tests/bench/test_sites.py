"""Every convolution of a network is a site, part of a coupled site, or left out with its reason."""

import copy
import functools
import re

import pytest
import torch
from networks import NETWORKS, OptionA, Shapes, network, removed, sweep
from torch import nn
from torch.utils.data import TensorDataset
from toys import TOYS, Pixel, randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.sites import find_sites


@functools.cache
def found(name):
    model, inputs = network(name).float(), torch.randn(2, *NETWORKS.get(name, (3, 32, 32)))
    return model, inputs, *find_sites(model, inputs)


@pytest.mark.parametrize("name", sweep([*NETWORKS, "convnext_tiny"]))
def test_every_convolution_is_accounted_for(name):
    model, inputs, gated, sites, left_out = found(name)
    with torch.no_grad():
        assert torch.equal(gated(inputs), model(inputs))
    held = dict.fromkeys((name for name, module in model.named_modules() if isinstance(module, nn.modules.conv._ConvNd)), 0)
    for site in sites:
        assert site.gates
        for convolution, channels in zip(site.convolutions, site.channels, strict=True):
            held[convolution] += sum(index >= 0 for index in channels)
            assert {index for index in channels if index >= 0} == set(range(site.maps))
    for out in left_out:
        held[out.convolution] += out.maps
        assert out.reason
    assert held == {name: model.get_submodule(name).out_channels for name in held}
    assert len({site.name for site in sites}) == len(sites)


def summary(name):
    *_, sites, left_out = found(name)
    return {site.name: (site.maps, len(site.convolutions), len(site.gates)) for site in sites}, left_out


def test_plain_networks_have_one_convolution_and_one_gate_per_site():
    sites, _ = summary("alexnet")
    assert sites == {f"features.{place}": (maps, 1, 1) for place, maps in ((0, 64), (3, 192), (6, 384), (8, 256), (10, 256))}


def test_a_residual_stream_is_one_site():
    sites, left_out = summary("resnet18")
    assert sites["conv1"] == (64, 3, 3)
    assert sites["layer2.0.conv1"] == (128, 1, 1)
    assert sites["layer2.0.conv2"] == (128, 3, 2)
    assert not left_out


def test_growth_maps_are_gated_behind_every_later_batch_norm():
    sites, _ = summary("densenet121")
    assert sites["features.conv0"] == (64, 1, 7)
    assert sites["features.denseblock1.denselayer1.conv2"] == (32, 1, 6)


def test_an_expansion_and_its_depthwise_convolution_are_one_site():
    sites, _ = summary("mobilenet_v2")
    assert sites["features.2.conv.0.0"] == (96, 2, 1)


def test_layer_norm_leaves_maps_out():
    sites, left_out = summary("convnext_tiny")
    assert not sites
    assert all("norm" in out.reason.lower() for out in left_out)


def test_the_output_is_left_out():
    _, left_out = summary("squeezenet1_1")
    assert [(out.convolution, out.maps, out.reason) for out in left_out] == [
        ("classifier.1", 10, "its maps are the network's output")
    ]


def test_gates_stand_directly_behind_the_activation():
    gated, sites, _ = find_sites(randomise(TOYS["plain"][0]()), torch.randn(2, 2, 8, 8))
    before = [str(node.args[0]) for node in gated.graph.nodes if str(node.target).startswith("gates.")]
    assert before == ["features_2", "features_5"]
    assert [site.name for site in sites] == ["features.0", "features.4"]


def test_padded_shortcuts_split_a_convolution_between_sites():
    _, sites, left_out = find_sites(OptionA().eval(), torch.randn(2, 1, 4, 4))
    assert [(site.name, site.maps, site.convolutions, site.channels) for site in sites] == [
        ("narrow", 2, ("narrow", "wide"), ((0, 1), (-1, 0, 1, -1))),
        ("wide", 2, ("wide",), ((0, -1, -1, 1),)),
    ]
    assert not left_out


class Odd(nn.Module):
    """A convolution that is never called, one tied to the input, one whose maps are averaged together."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Conv2d(1, 2, 1)
        self.tied = nn.Conv2d(3, 3, 1)
        self.mixed = nn.Conv2d(3, 4, 1)
        self.kept = nn.Conv2d(3, 5, 1)
        self.read = nn.Linear(6, 2)

    def forward(self, images):
        maps = images + self.tied(images)
        average = self.mixed(maps).mean(1, keepdim=True)
        return self.read(torch.cat([self.kept(maps), average], 1).mean((2, 3)))


def test_reasons_for_leaving_out():
    _, sites, left_out = find_sites(Odd().eval(), torch.randn(2, 3, 4, 4))
    assert [site.name for site in sites] == ["kept"]
    reasons = {out.convolution: out.reason for out in left_out}
    assert reasons["unused"] == "the forward pass does not call it"
    assert reasons["tied"] == "it is tied to a channel of the network's input"
    assert "mean (operation mean) mixes maps" in reasons["mixed"]


class Untraceable(nn.Module):
    """Its forward pass depends on the data; it carries its own gate."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1)
        self.gate = Gate(3)
        self.read = nn.Linear(3, 2)

    def forward(self, images):
        maps = torch.relu(self.conv(images))
        if maps.sum() < 0:
            maps = -maps
        return self.read(self.gate(maps).mean((2, 3)))


def test_a_network_that_cannot_be_traced_carries_its_own_gates():
    data = TensorDataset(torch.randn(8, 1, 2, 2), torch.zeros(8, dtype=torch.long))
    with pytest.raises(
        BadInput, match=r"Untraceable .* the values of its data, .*test_sites.py, line \d+, `if maps.sum\(\) < 0:`: put gates"
    ):
        assemble(Untraceable().eval(), data, data)
    site = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))
    assert assemble(Untraceable().eval(), data, data, carried=[site]).sites == (site,)
    with pytest.raises(BadInput, match="names 'conv' as a gate, but it is a Conv2d"):
        assemble(Untraceable().eval(), data, data, carried=[Site("conv", 3, ("conv",), ("conv",), ((0, 1, 2),))])


class Normed(nn.Module):
    """It carries a gate behind a batch norm, or wrongly in front of it."""

    def __init__(self, right):
        super().__init__()
        self.conv, self.norm, self.gate, self.read = nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), Gate(3), nn.Linear(3, 2)
        self.right = right
        nn.init.uniform_(self.norm.bias, 1, 2)

    def forward(self, images):
        maps = self.conv(images)
        return self.read((self.gate(self.norm(maps)) if self.right else self.norm(self.gate(maps))).mean((2, 3)))


@pytest.mark.parametrize("right", [True, False])
def test_gates_of_a_networks_own_are_compared_with_deletion(right, caplog):
    data = TensorDataset(torch.randn(8, 1, 2, 2), torch.zeros(8, dtype=torch.long))
    assemble(Normed(right).eval(), data, data, carried=[Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))])
    assert ("at site 'conv' a gate at 0 gives other outputs than weights of 0" in caplog.text) != right


def test_bad_networks():
    data = TensorDataset(torch.randn(8, 1, 1, 1), torch.zeros(8, dtype=torch.long))
    with pytest.raises(BadInput, match="has no convolution"):
        assemble(nn.Sequential(nn.Flatten(), nn.Linear(1, 2)).eval(), data, data)
    with pytest.raises(BadInput, match=r"in train mode \(the model itself\): call model.eval\(\)"):
        assemble(Pixel(), data, data)
    with pytest.raises(BadInput, match=r"no map that can be removed \(0: its maps are the network's output"):
        assemble(nn.Sequential(nn.Conv2d(1, 2, 1)).eval(), data, data, loss=lambda output, _: output.mean((1, 2, 3)))


def zeroed_reader(model, kind, inputs, index):
    """Deletion by hand: what the last layer makes of a map is taken away where it reads it."""
    smaller = copy.deepcopy(model)
    with torch.no_grad():
        smaller.read.weight[:, index] = 0
        if kind in {"residual", "inplace"}:
            smaller.conv_2.weight[:, index] = 0
        if kind == "attention":
            smaller.psi.weight[:, index] = 0
        return smaller(inputs)


@pytest.mark.parametrize("kind", ["plain", "residual", "attention", "token", "depthwise", "inplace", "norm", "folded"])
def test_traps_are_removed_as_by_hand(kind):
    torch.manual_seed(3)
    model, inputs = Shapes(kind).eval(), torch.randn(4, 1, 6, 6)
    before = dict(model.named_modules())
    gated, sites, _ = find_sites(model, inputs)
    assert dict(model.named_modules()) == before
    assert len({name for site in sites for name in site.gates}) == sum(len(site.gates) for site in sites)
    torch.testing.assert_close(gated(inputs), model(inputs))
    site = next(site for site in sites if site.convolutions[0] == "gates.0")
    for index in range(4):
        torch.testing.assert_close(removed(gated, site, index, inputs), zeroed_reader(model, kind, inputs, index))


@pytest.mark.parametrize(
    ("kind", "convolution", "reason"),
    [
        ("attention", "psi", "it acts on several other maps at once"),
        ("channels", "gates.0", "mixes maps|along another axis"),
        ("rnn", "gates.0", "the examples do not follow one another"),
    ],
)
def test_traps_are_left_out_with_their_reason(kind, convolution, reason):
    torch.manual_seed(3)
    _, sites, left_out = find_sites(Shapes(kind).eval(), torch.randn(2, 1, 6, 6))
    assert convolution not in {name for site in sites for name in site.convolutions}
    assert any(re.search(reason, out.reason) for out in left_out if out.convolution == convolution), left_out


def test_a_network_that_assigns_in_place_is_refused():
    class Assigns(Pixel):
        def forward(self, images):
            maps = self.relu(self.conv(images))
            torch._foreach_add_([maps], 1.0)
            return self.read(maps.flatten(1))

    with pytest.raises(BadInput, match=r"_foreach_add_ .* writes into a value that it was given"):
        find_sites(Assigns().eval(), torch.randn(2, 1, 1, 1))


def test_names_that_collide_get_gates_of_their_own():
    class Collide(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
            self.a_0 = nn.Conv2d(3, 3, 1)
            self.read = nn.Linear(3, 2)

        def forward(self, images):
            return self.read(torch.relu(self.a_0(self.a(images))).mean((2, 3)))

    gated, sites, _ = find_sites(Collide().eval(), torch.randn(2, 1, 4, 4))
    assert sorted(name for site in sites for name in site.gates) == ["gates.a_0", "gates.a_0_"]
    assert len([name for name, module in gated.named_modules() if isinstance(module, Gate)]) == 2


def test_the_gate_stands_behind_an_activation_that_does_nothing_to_the_probe():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).eval()
    nn.init.constant_(model[0].bias, 50.0)
    gated, _, _ = find_sites(model, torch.randn(2, 1, 2, 2))
    assert [str(node.args[0]) for node in gated.graph.nodes if str(node.target).startswith("gates.")] == ["_1"]
