"""The replay engine is exact where layers do more than torch's: computed weights, hooks, methods of their own."""

import types

import pytest
from hard_networks import Net, exact, traced_with_gates
from torch import nn
from torch.nn.utils import parametrizations, prune
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.gates import Gate

SITES = (
    Site("first", 6, ("first",), ("one",), (tuple(range(6)),)),
    Site("second", 4, ("second",), ("two",), (tuple(range(4)),)),
)


def gated_net():
    """A network with gates of its own, which is traced as it is: whatever its layers do is left to the engine."""
    return Net(lambda net, x: net.one(x), lambda net, x: net.read(net.two(x).mean((2, 3))), one=Gate(6), two=Gate(4))


class Halved(nn.Module):
    """A parametrization."""

    def forward(self, weight):
        return weight / 2


def computed(kind):
    """A network whose convolutions have computed weights; in front of a batch norm and behind one."""
    net = gated_net()
    for module in (net.first, net.second, net.read):
        if kind == "pruned":
            prune.l1_unstructured(module, "weight", 0.5)
        elif kind == "bias":
            prune.random_unstructured(module, "bias", 0.5)
        elif kind == "weight norm":
            parametrizations.weight_norm(module)
        elif kind == "weight norm by a hook":
            nn.utils.weight_norm(module)
        elif kind == "spectral norm":
            parametrizations.spectral_norm(module)
        elif kind == "spectral norm by a hook":
            nn.utils.spectral_norm(module)
        else:
            nn.utils.parametrize.register_parametrization(module, "weight", Halved())
    return net


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "kind",
    [
        "pruned",
        "bias",
        "weight norm",
        "weight norm by a hook",
        "spectral norm",
        "spectral norm by a hook",
        "parametrization",
    ],
)
def test_computed_weights(kind):
    exact(traced_with_gates(computed(kind), *SITES))


def doubled(module, x):
    return 2 * type(module).forward(module, x)


def hooked(kind):
    net = gated_net()
    for module in (net.first, net.second, net.norm, net.read):
        if kind == "after":
            module.register_forward_hook(lambda module, args, output: 2 * output)
        elif kind == "before":
            module.register_forward_pre_hook(lambda module, args: (args[0] + 0.5,))
        else:
            module.forward = types.MethodType(doubled, module)
    return net


@pytest.mark.parametrize("kind", ["after", "before", "forward of an instance"])
def test_hooks_and_forward_passes_of_single_modules(kind):
    exact(traced_with_gates(hooked(kind), *SITES))


class Standardised(nn.Conv2d):
    """A convolution that standardises its weight in the method that torch's forward pass calls."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight - weight.mean((1, 2, 3), keepdim=True), bias)


def test_a_convolution_with_a_method_of_its_own():
    net = gated_net()
    net.second = randomise(Standardised(6, 4, 3))
    exact(traced_with_gates(net, *SITES))
