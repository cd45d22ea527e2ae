"""A small network in whose middle and at whose end anything can stand, cases of networks, and the proof that they are exact."""

import dataclasses

import torch
from every_way import every_way
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from toys import randomise

from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.tracing import Tracer
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal


def exact(case, whole=()):
    """Every way of every site equals literal, on a batch of four and on one with a pair at a time; `whole` are run whole."""
    for size, fold in ((4, 5), (1, 1)):
        batch = next(case.batches(case.train, range(size), size))
        engine = Replay(case, fold=fold)
        for site in case.sites:
            expected = literal(case, site, batch)
            for found in every_way(case, engine, site, batch):
                torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
        assert engine.network.why == ""
        assert {name for name, way in engine.choices.items() if way == "whole network"} == set(whole)
    assert max(float(literal(case, site, batch).abs().max()) for site in case.sites) > 1e-6
    return engine


def case_of(model, shape=(3, 6, 6), loss=None, **settings):
    torch.manual_seed(3)
    data = TensorDataset(torch.randn(8, *shape), torch.arange(8) % 3)
    settings |= {"loss": loss} if loss else {}
    return assemble(model.eval(), data, data, **settings).to("cpu", "float64")


class Net(nn.Module):
    """Two convolutions and a linear layer; `middle` stands between the convolutions, and `end` behind them."""

    def __init__(self, middle=lambda net, x: x, end=lambda net, x: net.read(x.mean((2, 3))), **modules):
        super().__init__()
        self.first, self.second, self.read = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 3), nn.Linear(4, 3)
        self.norm = nn.BatchNorm2d(4)
        for name, module in modules.items():
            self.add_module(name, module)
        self.middle, self.end = middle, end
        randomise(self)

    def forward(self, x):
        return self.end(self, torch.relu(self.norm(self.second(self.middle(self, torch.relu(self.first(x)))))))


def shuffled(net, x):
    n, c, h, w = x.size()
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, -1, h, w)


class GateTracer(Tracer):
    """A tracer that keeps gates as single operations."""

    def is_leaf_module(self, module, name):
        return isinstance(module, Gate) or super().is_leaf_module(module, name)


def traced(model):
    return torch.fx.GraphModule(model, GateTracer().trace(model)).eval()


def traced_with_gates(model, *sites):
    return case_of(traced(model), carried=sites)


@dataclasses.dataclass
class Answer:
    """An output that is no container of torch's."""

    scores: torch.Tensor
    extra: torch.Tensor


def scores(output):
    if isinstance(output, Answer):
        return output.scores + output.extra
    if isinstance(output, dict):
        return sum(output["heads"]) + output["more"][0]
    return sum(output)


def loss_of(output, labels):
    return F.cross_entropy(scores(output), labels, reduction="none")
