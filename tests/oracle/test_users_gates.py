"""The replay engine is exact on networks that carry the users' own gates, or what it cannot use is refused at once."""

import pytest
import torch
from hard_networks import Net, case_of, exact, loss_of, traced, traced_with_gates
from networks import Twice
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal


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
    said = "Coupled couples the examples of a batch in mean"
    with pytest.raises(BadInput, match=said):
        case_of(Coupled("mean"), carried=[CONV])
    said = "Coupled gives other outputs when it is run again on the same inputs"
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
