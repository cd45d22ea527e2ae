"""Replayed joint losses equal literal ones, on toys and hard networks, at every fold and in every way, and deletion."""

import pytest
import torch
from hard_networks import Net, case_of, shuffled, traced
from networks import Twice
from pruned_networks import pruned
from random_sets import exact_sets, sets_of_every_kind
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from toys import TOYS, randomise, toy_case

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.cutting.surgery import cut
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.map_set import MapSet, random_sets
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact import linear_step
from pruning_oracle.oracle.exact.network import Network
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.replay import ReplaySets

EMBEDDED = ["vgg-digits", "resnet-digits", "r3dcnn-gestures"]


@pytest.mark.parametrize("name", TOYS)
def test_toys_at_every_fold(name):
    exact_sets(toy_case(name), sizes=((6, 1), (6, 7), (6, 1000), (1, 5)))


class Branches(nn.Module):
    """Two convolutions of which a third reads the maps side by side; a stream with a block; a head that reads all of it."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.join, self.inner, self.out = nn.Conv2d(7, 4, 3, padding=1), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 4, 3, padding=1)
        self.last, self.read = nn.Conv2d(8, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        sides = torch.cat([torch.relu(self.left(x)), torch.relu(self.right(x))], 1)
        stream = torch.relu(self.join(sides))
        after = torch.relu(stream + self.out(torch.relu(self.inner(stream))))
        return self.read(torch.relu(self.last(torch.cat([stream, after], 1))).mean((2, 3)))


def branches():
    torch.manual_seed(4)
    return case_of(randomise(Branches()), (2, 6, 6))


def test_branches_that_one_layer_reads():
    exact_sets(branches())


def test_a_map_that_another_removal_revives():
    """Map 0 of the stream is dead in front of the block and behind it, until map 0 in the block no longer holds it down."""
    case = branches()
    stream = next(site for site in case.sites if "join" in site.convolutions)
    with torch.no_grad():
        for name, value in {"join": -100.0, "inner": 100.0, "out": 0.0}.items():
            case.model.get_submodule(name).bias[0] = value
        weight = case.model.get_submodule("out").weight
        weight[0] = 0.0
        weight[0, 0], weight[0, 1] = -1.0, 1.0
        case.model.get_submodule("inner").bias[1] = 5.0
    inner, both = MapSet.of({"inner": [0]}), MapSet.of({"inner": [0], stream.name: [0]})
    engine = exact_sets(case, [inner, both, MapSet.of({stream.name: [0]})])
    batch = next(case.batches(case.train, range(4), 4))
    assert not engine.engine.alive(stream, batch)[:, 0].any()
    joint = engine([inner, both], batch)
    assert (joint[:, 0] - joint[:, 1]).abs().min() > 1e-6
    assert set(engine.engine.choices) == {"memory format", "inner", "inner and behind"}


class Within(nn.Linear):
    """A layer that the tracer keeps as one operation, and that holds two sites' gates."""

    def __init__(self):
        super().__init__(4, 3)
        self.one, self.two = Gate([0, 1, -1, -1]), Gate([-1, -1, 0, 1])

    def forward(self, input):
        return super().forward(self.two(self.one(torch.relu(input))))


class Untraceable(nn.Module):
    """Looks at its data, so that it cannot be traced; it carries its own gates."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.next, self.late, self.read = (
            nn.Conv2d(2, 4, 3),
            Gate(4),
            nn.Conv2d(4, 3, 3),
            Gate(3),
            nn.Linear(3, 3),
        )

    def forward(self, images):
        maps = self.gate(torch.relu(self.conv(images)))
        return self.read(self.late(torch.relu(self.next(maps if maps.sum() > 0 else -maps))).mean((2, 3)))


CARRIED = {
    "called twice": (lambda: traced(randomise(Twice())), (3, 6, 6), [Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))]),
    "inside one operation": (
        lambda: traced(Net(read=randomise(Within()))),
        (3, 6, 6),
        [
            Site("low", 2, ("second",), ("read.one",), ((0, 1, -1, -1),)),
            Site("high", 2, ("second",), ("read.two",), ((-1, -1, 0, 1),)),
        ],
    ),
    "not traced": (
        lambda: randomise(Untraceable()),
        (2, 8, 8),
        [
            Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),)),
            Site("next", 3, ("next",), ("late",), ((0, 1, 2),)),
        ],
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_carried_gates(name):
    build, shape, sites = CARRIED[name]
    exact_sets(case_of(build(), shape, carried=sites), whole=name == "not traced")


def test_shuffled_channels():
    exact_sets(case_of(Net(shuffled)))


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_cases_and_physical_deletion(name):
    case = load(name, 0).to("cpu", "float64")
    sets = [*random_sets(case, 2, 0.1, 0), *random_sets(case, 1, 0.5, 1), *sets_of_every_kind(case, 1)[-6:-4]]
    engine = exact_sets(case, sets, sizes=((3, 200),))
    batch = next(case.batches(case.train, range(3), 3))
    joint = engine(sets, batch)
    for place, one in enumerate(sets):
        smaller = cut(pruned(case), one.named).case
        assert sum(site.maps for site in smaller.sites) == sum(site.maps for site in case.sites) - len(one)
        with torch.no_grad():
            change = smaller.loss(smaller.model(batch.inputs), batch.labels) - case.loss(case.model(batch.inputs), batch.labels)
        torch.testing.assert_close(joint[:, place], change, rtol=1e-9, atol=1e-11)


def counted(monkeypatch):
    """How many pairs each call of the network runs, beside those that prove a plan."""
    seen, removed = [], Network.removed

    def noted(network, removals, examples, which):
        seen.append(len(which))
        return removed(network, removals, examples, which)

    monkeypatch.setattr(Network, "removed", noted)
    return seen


def test_equal_sets_are_measured_once_and_dead_and_empty_ones_never(monkeypatch):
    case, seen = toy_case("plain"), counted(monkeypatch)
    with torch.no_grad():
        case.model.get_submodule("features.4").bias[2] = -100.0
    batch = next(case.batches(case.train, range(6), 6))
    pair, dead, none = (MapSet.of(one) for one in ({"features.0": [1], "features.4": [0]}, {"features.4": [2]}, {}))
    engine = ReplaySets(case)
    joint = engine([pair, dead, pair, none, pair], batch)
    assert seen == [6]
    assert torch.equal(joint[:, 0], joint[:, 2])
    assert torch.equal(joint[:, 0], joint[:, 4])
    assert not joint[:, [1, 3]].any()
    torch.testing.assert_close(joint, literal(case, [pair, dead, pair, none, pair], batch))


def test_many_sets_run_side_by_side(monkeypatch):
    case, seen = toy_case("plain"), counted(monkeypatch)
    batch = next(case.batches(case.train, range(6), 6))
    ReplaySets(case)(random_sets(case, 20, 0.4, 0), batch)
    assert sum(seen) <= 120
    assert max(seen) > 60


def test_a_replay_that_is_wrong_is_found_out_before_it_is_used(monkeypatch, caplog):
    contribution = linear_step._contribution
    monkeypatch.setattr(linear_step, "_contribution", lambda *given: contribution(*given) / 2)
    case = toy_case("plain")
    batch, sets = next(case.batches(case.train, range(4), 4)), random_sets(case, 5, 0.4, 0)
    engine = ReplaySets(case)
    engine.engine.choices["features.0 and behind"] = "linear step"
    torch.testing.assert_close(engine(sets, batch), literal(case, sets, batch), rtol=1e-9, atol=1e-12)
    assert engine.engine.choices["features.0 and behind"] == "whole network"
    said = "removals at site features.0 and behind run the whole network, since the replay gives other outputs than the network"
    assert said in caplog.text


def test_out_of_memory_halves_the_fold_and_goes_on(monkeypatch):
    case, removed = toy_case("residual"), Network.removed

    def narrow(network, removals, examples, which):
        if len(which) > 6:
            raise torch.OutOfMemoryError
        return removed(network, removals, examples, which)

    monkeypatch.setattr(Network, "removed", narrow)
    batch, sets = next(case.batches(case.train, range(4), 4)), sets_of_every_kind(case)
    engine = ReplaySets(case, fold=20)
    torch.testing.assert_close(engine(sets, batch), literal(case, sets, batch), rtol=1e-9, atol=1e-12)
    assert engine.engine.fold == 5


def test_whole_numbers_as_inputs():
    torch.manual_seed(0)
    data = TensorDataset(torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8), torch.arange(8) % 3)
    layers = nn.Conv2d(3, 4, 3), Gate(4), nn.ReLU(), nn.Conv2d(4, 3, 3), Gate(3), nn.Flatten(), nn.Linear(12, 3)
    inner = randomise(nn.Sequential(*layers))

    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return F.log_softmax(self.inner(x.to(self.inner[0].weight.dtype) / 255), 1)

    sites = [
        Site("one", 4, ("inner.0",), ("inner.1",), ((0, 1, 2, 3),)),
        Site("two", 3, ("inner.3",), ("inner.4",), ((0, 1, 2),)),
    ]
    exact_sets(assemble(traced(Bytes()), data, data, carried=sites).to("cpu", "float64"))
