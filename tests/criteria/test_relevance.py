"""Relevance by captum: it passes what only rearranges, scales or acts on single numbers, and names what it cannot pass."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.passes import open_gates

pytestmark = pytest.mark.skipif(find_spec("captum") is None, reason="captum is not installed")
NEEDS = frozenset({"gate_relevance"})


class Between(nn.Module):
    """A convolution and ReLU, what `between` does, a second convolution and ReLU, and a linear layer; without biases."""

    def __init__(self, between, pool=lambda maps: maps.flatten(1)):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.between, self.pool = between, pool
        self.second, self.read = nn.LazyConv2d(6, 3, padding=1, bias=False), nn.LazyLinear(3, bias=False)

    def forward(self, images):
        return self.read(self.pool(torch.relu(self.second(self.between(torch.relu(self.first(images)))))))


def case_with(between) -> Case:
    torch.manual_seed(0)
    model = Between(between)
    model(torch.zeros(1, 2, 8, 8))
    data = TensorDataset(torch.randn(8, 2, 8, 8), torch.arange(8) % 3)
    return assemble(model.eval(), data, data, examples=3).to("cpu", "float64")


class Functions(nn.Module):
    def forward(self, maps):
        return F.interpolate(0.5 * maps - 0.1 * maps.mean((2, 3), True), scale_factor=2, mode="bilinear")


class Gated(nn.Module):
    def forward(self, maps):
        return maps * torch.sigmoid(maps.mean((2, 3), True))


relu = nn.ReLU()
PASSED = {
    "nothing": nn.Identity(),
    "dropout": nn.Sequential(nn.Dropout(), nn.Dropout2d()),
    "flat and back": nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 8, 8))),
    "pixel shuffle": nn.PixelShuffle(2),
    "pixel unshuffle": nn.PixelUnshuffle(2),
    "channel shuffle": nn.ChannelShuffle(2),
    "padding": nn.ZeroPad2d(1),
    "mirrored padding": nn.ReflectionPad2d(1),
    "nearest": nn.Upsample(scale_factor=2),
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    "largest": nn.AdaptiveMaxPool2d(4),
    "norm of a window": nn.LPPool2d(2, 2),
    "leaky": nn.Sequential(nn.LeakyReLU(), nn.PReLU(4)),
    "a module called twice": nn.Sequential(relu, relu),
    "transposed": nn.ConvTranspose2d(4, 5, 2, bias=False),
    "functions": Functions(),
    "what 0 becomes": nn.Sigmoid(),  # the gates of the first site lie behind it
}


@pytest.mark.parametrize("kind", PASSED)
def test_relevance_is_gradient_times_activation_whatever_lies_between(kind):
    """Without biases, and with ReLU as the only nonlinearity, the ε rule gives the gradient of the label's score at a gate."""
    case = case_with(PASSED[kind])
    assert unavailable(case, NEEDS) == {}
    seen = collect(case, range(3), 2, NEEDS, "test")
    batch, gates = next(case.batches(case.train, range(3), 3)), open_gates(case, 3)
    with gated(case.model, gates):
        scores = case.model(batch.inputs).gather(1, batch.labels[:, None]).sum()
    for site, slope in zip(case.sites, torch.autograd.grad(scores, list(gates.values())), strict=True):
        assert float(slope.abs().max()) > 1e-4
        torch.testing.assert_close(seen[site.name].gate_relevance, slope, rtol=1e-3, atol=1e-5)


class Pixel(nn.Module):
    """Two layers on one pixel, with an activation function behind the second."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 3, 1, bias=False), nn.Conv2d(3, 4, 1, bias=False)
        self.activation, self.read = activation, nn.Linear(4, 2, bias=False)

    def forward(self, pixels):
        return self.read(self.activation(self.second(torch.relu(self.first(pixels)))).flatten(1))


@pytest.mark.parametrize(
    "activation",
    [nn.SiLU(), nn.Hardswish(), torch.tanh, torch.sigmoid, F.gelu],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_relevance_passes_an_activation_function_unchanged(activation):
    torch.manual_seed(0)
    model = Pixel(activation)
    data = TensorDataset(torch.randn(8, 2, 1, 1), torch.arange(8) % 2)
    case = assemble(model.eval(), data, data, examples=3).to("cpu", "float64")
    model.double()
    seen = collect(case, range(3), 2, NEEDS, "test")
    for row in range(3):
        pixel, label = data[row]
        first = torch.relu(model.first.weight[:, :, 0, 0] @ pixel[:, 0, 0].double())
        into = model.second.weight[:, :, 0, 0]
        second = into @ first
        behind = model.read.weight[int(label)] * activation(second)  # how relevant each map of the second layer is
        torch.testing.assert_close(
            seen["first"].gate_relevance[row], ((into * first) / second[:, None] * behind[:, None]).sum(0)
        )


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (nn.GroupNorm(2, 4), "relevance has no rule for the GroupNorm between"),
        (nn.Softmax2d(), "relevance has no rule for the Softmax2d between"),
        (Gated(), "relevance has no rule for the operation mul"),
    ],
    ids=["norm", "softmax", "product"],
)
def test_what_relevance_cannot_pass_is_named(between, message):
    assert unavailable(case_with(between), NEEDS) == {"gate_relevance": message}
