"""The replay engine is exact on networks of every kind: sizes, ranks, shared, computed and hooked layers, outputs."""

import dataclasses
import types

import pytest
import torch
from every_way import every_way
from hard_networks import Net, case_of, shuffled, traced, traced_with_gates
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.data import TensorDataset
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure, recheck


def exact(case, whole=()):
    """Every way of every site equals literal on batches of four and of one, at several folds; `whole` names sites run whole."""
    for size, fold in ((4, 50), (4, 3), (1, 1)):
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


def by_shape(net, x):
    rows = x.shape[0] * x.shape[1]
    return x.reshape(rows, x.shape[2] * x.shape[3]).mul(2).view(rows // 6, x.shape[1], x.shape[2], x.shape[3])


def halves(net, x):
    half = x.size(0) // 2
    return torch.cat([x[:half] * 2, x[half:] * 2])


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


class Halved(nn.Module):
    """A parametrization."""

    def forward(self, weight):
        return weight / 2


def computed(kind):
    """A network whose convolutions have computed weights; in front of a batch norm and behind one."""
    net = Net()
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
    exact(case_of(computed(kind)))


def doubled(module, x):
    return 2 * type(module).forward(module, x)


def hooked(kind):
    net = Net()
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
    exact(case_of(hooked(kind)))


class Standardised(nn.Conv2d):
    """A convolution that standardises its weight in the method that torch's forward pass calls."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight - weight.mean((1, 2, 3), keepdim=True), bias)


def test_a_convolution_with_a_method_of_its_own():
    net = Net()
    net.second = randomise(Standardised(6, 4, 3))
    exact(case_of(net))


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
    """A branch that reaches no output, and a head that only one of the convolutions feeds."""

    def __init__(self):
        super().__init__()
        self.stem, self.side, self.dead, self.unread = (nn.Conv2d(3, 4, 3) for _ in range(4))
        self.one, self.two, self.last = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        stem, side = torch.relu(self.stem(x)), torch.relu(self.side(x))
        self.last(torch.relu(self.dead(x)).mean((2, 3)))
        return [self.one(stem.mean((2, 3))), self.two(side.mean((2, 3)))]


def test_maps_that_reach_no_output_or_only_one_of_them():
    case = case_of(randomise(Branches()), loss=loss_of)
    exact(case)
    dead = next(site for site in case.sites if "dead" in site.convolutions)
    batch = next(case.batches(case.train, range(4), 4))
    assert torch.equal(Replay(case)(dead, batch), torch.zeros(4, 4, dtype=torch.float64))


class Twice(nn.Module):
    """A convolution and its gate, called twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(3, 3, 3, padding=1), Gate(3), nn.Linear(3, 3)

    def forward(self, x):
        for _ in range(2):
            x = self.gate(torch.relu(self.conv(x)))
        return self.read(x.mean((2, 3)))


def test_a_gate_of_the_users_that_is_called_twice():
    exact(traced_with_gates(randomise(Twice()), Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))))


class Within(nn.Linear):
    """A layer that the tracer keeps as one operation, and that holds a gate."""

    def __init__(self):
        super().__init__(4, 3)
        self.gate = Gate(4)

    def forward(self, input):
        return super().forward(self.gate(torch.relu(input)))


def test_a_gate_inside_a_module_that_is_one_operation():
    site = Site("second", 4, ("second",), ("read.gate",), ((0, 1, 2, 3),))
    exact(traced_with_gates(Net(read=randomise(Within())), site))


class Buffers(nn.Module):
    """A network without parameters."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = Gate(4)
        self.register_buffer("read", torch.randn(4, 3))
        for name in ("weight", "bias"):
            value = getattr(self.conv, name).detach()
            delattr(self.conv, name)
            self.conv.register_buffer(name, value)

    def forward(self, x):
        return self.gate(torch.relu(self.conv(x))).mean((2, 3)) @ self.read


class Untraceable(Buffers):
    """It looks at its data, and gives a dictionary of lists."""

    def forward(self, x):
        found = super().forward(x)
        return {"heads": [found if found.sum() == found.sum() else -found], "more": (found, len(x))}


def test_networks_without_parameters_and_untraced_ones_with_outputs_of_any_form():
    site = Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))
    exact(traced_with_gates(Buffers(), site))
    case = case_of(Untraceable(), carried=[site], loss=loss_of)
    for size in (4, 1):
        batch = next(case.batches(case.train, range(size), size))
        torch.testing.assert_close(Replay(case, fold=3)(site, batch), literal(case, site, batch), rtol=1e-9, atol=1e-12)


def test_whole_numbers_as_inputs():
    torch.manual_seed(0)
    data = TensorDataset(torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8), torch.arange(8) % 3)
    model = randomise(nn.Sequential(nn.Conv2d(3, 4, 3), Gate(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)))

    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return self.inner(x.to(self.inner[0].weight.dtype) / 255)

    site = Site("conv", 4, ("inner.0",), ("inner.1",), ((0, 1, 2, 3),))
    exact(assemble(traced(Bytes()), data, data, carried=[site]).to("cpu", "float64"))


def test_a_network_that_changes_the_precision_on_its_way_runs_whole():
    """As a trace of calls records it: nodes that enter and leave the context, of which nothing else takes a result."""
    graph = traced(Twice())
    _, first, *_, last = graph.graph.nodes
    with graph.graph.inserting_before(first):
        entered = graph.graph.call_function(torch.amp.autocast_mode._enter_autocast, ("cpu", torch.bfloat16, True, None))
    with graph.graph.inserting_before(last):
        graph.graph.call_function(torch.amp.autocast_mode._exit_autocast, (entered,))
    graph.recompile()
    case = case_of(graph, carried=[Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))]).to("cpu", "float32")
    batch, engine = next(case.batches(case.train, range(4), 4)), Replay(case)
    torch.testing.assert_close(engine(case.sites[0], batch), literal(case, case.sites[0], batch))
    assert engine.network.why == "it changes the precision in the middle of its forward pass"


class Coupled(Buffers):
    """What it gives depends on the other examples of the batch, or on chance."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return super().forward(x - x.mean(0, keepdim=True) if self.kind == "mean" else F.dropout(x, 0.5, training=True))


CONV = Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))


def test_what_depends_on_other_examples_is_refused_before_anything_is_measured():
    said = "with Coupled, the loss of an example depends on the other examples of its batch: alone it is "
    with pytest.raises(BadInput, match=said):
        case_of(Coupled("mean"), carried=[CONV])
    said = r"with Coupled, the loss of an example is another each time \(is dropout on\?\): alone it is "
    with pytest.raises(BadInput, match=said):
        case_of(Coupled("dropout"), carried=[CONV])


class Reads(Buffers):
    """It fails with a single example, and cannot be traced."""

    def forward(self, x):
        return super().forward(x) if len(x) > 1 else super().forward(x)[0]


def test_a_network_of_the_users_that_fails_with_one_example_is_refused():
    said = (
        r"Reads fails with a single example, though not with two \(.*\): does an operation, such as squeeze\(\) without axes,"
    )
    with pytest.raises(BadInput, match=said):
        case_of(Reads(), carried=[Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))])
