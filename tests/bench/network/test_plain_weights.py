"""Weights that hooks or parametrizations compute become ordinary parameters of the copy, with the same outputs."""

import copy

import pytest
import torch
from networks import removed
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from pruning_oracle.bench.network.plain_weights import plain_copy
from pruning_oracle.bench.network.sites import find_sites

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")


class Symmetric(nn.Module):
    def forward(self, weight):
        return (weight + weight.flip(-1)) / 2


def masked(module):
    prune.l1_unstructured(module, "weight", 0.5)
    prune.random_unstructured(module, "weight", 0.2)
    return prune.random_unstructured(module, "bias", 0.5)


def equalised(module):
    """The learning rate of StyleGAN's layers: a hook as users write them."""
    weight = module._parameters.pop("weight")
    module.register_parameter("weight_orig", nn.Parameter(weight.data))
    module.weight = weight.data
    module.register_forward_pre_hook(lambda module, _: setattr(module, "weight", module.weight_orig * 0.3))
    return module


WAYS = {
    "weight_norm by hooks": weight_norm,
    "spectral_norm by hooks": spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "two parametrizations": lambda module: parametrizations.spectral_norm(parametrizations.weight_norm(module)),
    "one of a user's": lambda module: parametrize.register_parametrization(module, "weight", Symmetric()),
    "of a bias": lambda module: parametrize.register_parametrization(module, "bias", Symmetric()),
    "masks": masked,
    "a user's hook": equalised,
}
RECURRENT = {"weight_norm by hooks": weight_norm, "masks": prune.l1_unstructured, "weight_norm": parametrizations.weight_norm}


class Computed(nn.Module):
    """Two convolutions, one of them under two names, a recurrent and a linear layer, each with computed weights."""

    def __init__(self, way):
        super().__init__()
        compute = WAYS[way]
        self.first, self.second = compute(nn.Conv2d(3, 6, 3)), compute(nn.Conv2d(6, 5, 3))
        self.again = self.first
        self.recurrent = nn.GRU(5, 4, batch_first=True)
        if way in RECURRENT:
            RECURRENT[way](self.recurrent, "weight_hh_l0", *((0.5,) if way == "masks" else ()))
        self.read = compute(nn.Linear(4, 3))

    def forward(self, images):
        steps = F.relu(self.second(F.relu(self.first(images)))).flatten(2).mT
        return self.read(self.recurrent(steps)[0][:, -1])


@pytest.mark.parametrize("way", WAYS)
def test_the_copy_is_plain_and_the_same_function(way):
    torch.manual_seed(0)
    model, images = Computed(way), torch.randn(4, 3, 8, 8)
    model.train()(images).sum().backward()  # leaves weights that are results of a computation, which deepcopy refuses
    model.eval()
    before, keys = model(images), list(model.state_dict())
    plain = plain_copy(model)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), before.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(model(images), before.detach(), rtol=1e-5, atol=1e-6)
    assert list(model.state_dict()) == keys
    assert plain.again is plain.first
    assert type(plain.first) is nn.Conv2d
    assert not any(module._forward_pre_hooks or parametrize.is_parametrized(module) for module in plain.modules())
    like = nn.ModuleList([nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3), nn.GRU(5, 4), nn.Linear(4, 3)])
    names = {name for name in plain.state_dict() if not name.startswith("again")}
    layers = zip(("first", "second", "recurrent", "read"), like, strict=True)
    assert names == {f"{name}.{key}" for name, layer in layers for key in layer.state_dict()}
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in plain.parameters())
    copy.deepcopy(plain).load_state_dict(dict(plain.state_dict()))  # as a file holds it, without what torch notes beside it


@pytest.mark.parametrize("way", [way for way in WAYS if way != "of a bias"])
def test_sites_of_computed_weights_are_removed_as_by_hand(way):
    torch.manual_seed(0)
    compute = WAYS[way]
    model = nn.Sequential(compute(nn.Conv2d(3, 6, 3)), nn.BatchNorm2d(6), nn.ReLU(), compute(nn.Conv2d(6, 4, 3)), nn.Flatten())
    model = model.append(nn.Linear(64, 2)).eval()
    images = torch.randn(3, 3, 8, 8)
    gated, sites, _ = find_sites(model, images)
    assert [(site.name, site.maps) for site in sites] == [("0", 6), ("3", 4)]
    with torch.no_grad():
        torch.testing.assert_close(gated(images), model(images))
        for index in range(6):
            smaller = plain_copy(model)
            smaller[3].weight[:, index] = 0
            torch.testing.assert_close(removed(gated, sites[0], index, images), smaller(images))


def test_a_tied_parameter_keeps_its_numbers_where_it_is_plain():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False)).eval()
    model[1].weight = model[0].weight
    parametrize.register_parametrization(model[1], "weight", Symmetric())
    images = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(plain_copy(model)(images), model(images))


def test_half_precision_becomes_float32():
    torch.manual_seed(0)
    model = nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 3, 1))).eval().half()
    plain = plain_copy(model)
    assert {parameter.dtype for parameter in plain.parameters()} == {torch.float32}
    torch.testing.assert_close(plain[0].weight, model[0].weight.float(), rtol=1e-2, atol=1e-3)
