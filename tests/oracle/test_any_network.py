"""The replay engine is exact on networks that use sizes, ranks, shared layers and outputs in every way."""

import pytest
import torch
from hard_networks import Answer, Net, case_of, exact, loss_of, shuffled, traced
from torch import nn
from torch.nn import functional as F
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure, recheck


def by_shape(net, x):
    rows = x.shape[0] * x.shape[1]
    return x.reshape(rows, x.shape[2] * x.shape[3]).mul(2).view(rows // 6, x.shape[1], x.shape[2], x.shape[3])


def halves(net, x):
    half = x.size(0) // 2
    return torch.cat([x[:half] * 2, x[half:] * 2])


def fifths(net, x):
    """A number that is 0 for one, two, three and four examples alike."""
    n = x.size(0)
    return (x * 2).view(n // 5 * 5 + n % 5, -1).view(n, 6, 6, 6)


def numbered(net, x):
    return x[torch.arange(x.size(0))] + torch.arange(x.shape[0]).view(-1, 1, 1, 1).mul(0)


def time_first(net, x):
    """The rows of four positions come one position after another, not one example after another."""
    n = x.size(0)
    steps = x.flatten(2).permute(2, 0, 1).reshape(-1, x.size(1))
    return torch.tanh(steps).view(-1, n, x.size(1)).permute(1, 2, 0).unflatten(2, x.shape[2:])


def hidden(net, x):
    """A recurrent layer that starts from zeros of a size that is computed."""
    state = x.new_zeros(1, x.size(0), 5)
    return net.last(net.recurrent(x.flatten(2).permute(2, 0, 1), state)[1].squeeze(0))


SIZES = {
    "shuffle": Net(shuffled),
    "shape": Net(by_shape),
    "halves": Net(halves),
    "fifths": Net(fifths),
    "numbered": Net(numbered),
    "time first": Net(time_first),
    "hidden state": Net(end=hidden, recurrent=nn.RNN(4, 5), last=nn.Linear(5, 3)),
    "view": Net(end=lambda net, x: net.last(x.view(x.size(0), -1)), last=nn.Linear(64, 3)),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_every_use(name):
    exact(case_of(SIZES[name]))


GATES = {
    "activation": lambda net, x: net.read(torch.sigmoid(x.mean((2, 3)))),
    "batch norm": lambda net, x: net.read(net.line(x.amax((2, 3)))),
    "batch norm, activation": lambda net, x: net.read(torch.tanh(net.line(x.flatten(2).mean(2)))),
    "channels last": lambda net, x: net.read(torch.sigmoid(x.flatten(2).mT)).mean(1),
    "channels last, two axes": lambda net, x: net.read(torch.sigmoid(x.permute(0, 2, 3, 1))).mean((1, 2)),
    "one position": lambda net, x: net.read(torch.sigmoid(net.third(F.adaptive_avg_pool2d(x, 1))).flatten(1)),
}


@pytest.mark.parametrize("name", GATES)
def test_gates_on_values_of_any_rank(name):
    exact(case_of(Net(end=GATES[name], line=nn.BatchNorm1d(4), third=nn.Conv2d(4, 4, 1))))


def test_one_prelu_for_layers_of_several_widths():
    act = nn.PReLU()
    exact(case_of(Net(lambda net, x: net.act(x), lambda net, x: net.read(net.act(x).mean((2, 3))), act=act)))


SQUEEZES = {
    "all": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(),
    "function": lambda x: torch.squeeze(x.mean((2, 3), keepdim=True)),
    "first": lambda x: x.mean((2, 3)).squeeze(0),
    "several": lambda x: x.mean((2, 3), keepdim=True).squeeze(dim=(0, 2, 3)),
    "twice": lambda x: x.mean(3, keepdim=True).squeeze(-1).mean(2, keepdim=True).squeeze(2),
    "as an export records it": lambda x: torch.ops.aten.squeeze.default(x.mean((2, 3), keepdim=True)),
    "back": lambda x: x.mean((2, 3), keepdim=True).squeeze().unsqueeze(2).flatten(1),
}


@pytest.mark.parametrize("name", SQUEEZES)
def test_squeezed_axes_of_a_batch_of_one(name):
    case = case_of(Net(end=lambda net, x: net.read(SQUEEZES[name](x))))
    exact(case)
    oracle = measure(case, Replay(case), range(5), 2)
    assert recheck(case, oracle, range(5)) < 1e-12
    network, data = Net(end=lambda net, x: net.read(SQUEEZES[name](x))), torch.randn(3, 3, 6, 6, dtype=torch.float64)
    network.load_state_dict(case.model.state_dict(), strict=False)
    torch.testing.assert_close(case.model(data), network.double().eval()(data))


def test_one_logit_behind_a_squeeze():
    def loss(output, labels):
        return F.binary_cross_entropy_with_logits(output, (labels > 0).to(output), reduction="none")

    exact(case_of(Net(end=lambda net, x: net.logit(x.mean((2, 3))).squeeze(1), logit=nn.Linear(4, 1)), loss=loss))
    exact(case_of(Net(end=lambda net, x: net.logit(x.mean((2, 3))).flatten().squeeze(), logit=nn.Linear(4, 1)), loss=loss))


OUTPUTS = {
    "list": lambda net, x: [net.read(x.mean((2, 3))), net.other(x.amax((2, 3)))],
    "tuple": lambda net, x: (net.read(x.mean((2, 3))), net.other(x.amax((2, 3)))),
    "dict": lambda net, x: {"heads": [net.read(x.mean((2, 3)))], "more": (net.other(x.amax((2, 3))), x.size(0))},
    "dataclass": lambda net, x: Answer(net.read(x.mean((2, 3))), net.other(x.amax((2, 3)))),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_of_every_form(kind):
    exact(case_of(Net(end=OUTPUTS[kind], other=nn.Linear(4, 3)), loss=loss_of))


class Branches(nn.Module):
    """A branch that reaches no output, and heads that only one of the convolutions feeds; it carries its own gates."""

    def __init__(self):
        super().__init__()
        self.stem, self.side, self.dead = (nn.Sequential(nn.Conv2d(3, 4, 3), Gate(4)) for _ in range(3))
        self.one, self.two, self.last = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        stem, side = torch.relu(self.stem(x)), torch.relu(self.side(x))
        self.last(torch.relu(self.dead(x)).mean((2, 3)))
        return [self.one(stem.mean((2, 3))), self.two(side.mean((2, 3)))]


def test_maps_that_reach_no_output_or_only_one_of_them():
    sites = [Site(name, 4, (f"{name}.0",), (f"{name}.1",), ((0, 1, 2, 3),)) for name in ("stem", "side", "dead")]
    case = case_of(traced(randomise(Branches())), loss=loss_of, carried=sites)
    exact(case)
    dead = case.site("dead")
    batch = next(case.batches(case.train, range(4), 4))
    assert torch.equal(Replay(case)(dead, batch), torch.zeros(4, 4, dtype=torch.float64))


def test_a_layer_that_reads_a_part_of_the_maps_takes_the_linear_step():
    def half(net, x):
        return net.read(net.other(x.chunk(2, 1)[0]).relu().mean((2, 3)) + x.mean((2, 3)))

    case = case_of(Net(end=half, other=nn.Conv2d(2, 4, 1)))
    exact(case)
