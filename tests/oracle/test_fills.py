"""Fills: every engine equals literal with each, by hand, against itself and against the repair of biases."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from every_way import every_way
from fills import OTHERS, filled_case
from hard_networks import Net, case_of, shuffled, traced_with_gates
from networks import Twice
from random_sets import exact_sets
from torch import nn
from torch.utils.data import ConcatDataset
from toys import TOYS, pixel_case, randomise, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import Fill
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network.fills import fills_for, prepared
from pruning_oracle.bench.network.gates import Gate, filled, gated
from pruning_oracle.bench.repair.bias import carried
from pruning_oracle.bench.setting import Resources
from pruning_oracle.oracle.estimated.predict import first_order_moves
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.fold_batch_norms import LAST, PLAIN
from pruning_oracle.oracle.exact.plan import LINEAR
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure, recheck
from pruning_oracle.oracle.run import run_oracle
from pruning_oracle.oracle.sets.literal import literal as literal_sets

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def first(case, examples):
    return next(case.batches(case.train, range(examples), examples))


def roomy(case):
    """The case with twice its training examples, so that some are left beside those that are measured."""
    return dataclasses.replace(case, examples=4, train=ConcatDataset([case.train, case.train]))


def exact_maps(case, examples=6, folds=(1, 7, 1000)):
    """Every site in every way, in both memory formats, at every fold, against literal; returns the last engine."""
    batch = first(case, examples)
    expected = {site: literal(case, site, batch) for site in case.sites}
    for form in (PLAIN, LAST):
        for fold in folds:
            engine = Replay(case, choices=Choices({"memory format": form}), fold=fold)
            for site in case.sites:
                for found in every_way(case, engine, site, batch):
                    torch.testing.assert_close(found, expected[site], **CLOSE)
    return engine


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("name", TOYS)
def test_toys_at_every_fold(name, fill):
    plain = toy_case(name)
    case = filled_case(plain, fill)
    engine = exact_maps(case)
    assert engine.network.why == ""
    assert not engine.network.reasons
    for site in case.sites:
        changed = literal(case, site, first(case, 6)) - literal(plain, site, first(plain, 6))
        assert changed.abs().max() > 1e-3, "the fill changes what a removal does"


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("name", TOYS)
def test_sets_of_toys(name, fill):
    exact_sets(filled_case(toy_case(name), fill), sizes=((6, 7), (1, 5)))


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("middle", [shuffled, lambda net, x: torch.max_pool2d(x, 2), lambda net, x: torch.sigmoid(x)])
def test_what_stands_between_a_gate_and_its_reader(middle, fill):
    """Channels change places, positions are pooled, and zeros do not stay zeros."""
    exact_maps(filled_case(roomy(case_of(Net(middle))), fill), 4, (5,))


def test_any_batching_gives_the_same():
    for fill in OTHERS:
        case = filled_case(toy_case("residual"), fill)
        whole = {site.name: literal(case, site, first(case, 12)) for site in case.sites}
        for size in (12, 5, 1):
            found = measure(case, Replay(case, fold=5), range(12), size).changes
            for name, changes in whole.items():
                torch.testing.assert_close(found[name], changes, **CLOSE)


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("stay", [False, True])
def test_batches_one_after_another_by_the_linear_step(fill, stay):
    case = filled_case(toy_case("residual"), fill)
    engine = Replay(case, choices=Choices({"memory format": PLAIN} | {site.name: LINEAR for site in case.sites}))
    one, other = case.batches(case.train, range(10), 5)
    for batch in (one, other) if stay else ():
        engine.stay(batch)
    for batch in (one, other, one):
        for site in case.sites:
            torch.testing.assert_close(engine(site, batch), literal(case, site, batch), **CLOSE)


def test_means_do_not_depend_on_batches():
    case = toy_case("clips")
    one, other = (filled_case(case, "mean", size).fill.means for size in (1, 6))
    for gate, mean in one.items():
        torch.testing.assert_close(mean, other[gate], **CLOSE)


class Flat(nn.Module):
    """Its own gates stand where the positions of its maps are spread over channels: 4 of each of 3 maps, and 2 of none."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(3, 3, 5), Gate([-1, *[0] * 4, *[1] * 4, *[2] * 4, -1]), nn.Linear(14, 3)

    def forward(self, x):
        maps = torch.relu(self.conv(x)).flatten(1)
        return self.read(self.gate(torch.cat([x[:, 0, 0, :1], maps, x[:, 0, 0, :1]], 1)))


@pytest.mark.parametrize("fill", OTHERS)
def test_a_map_of_several_channels_at_a_gate(fill):
    case = traced_with_gates(randomise(Flat()), Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),)))
    ready = filled_case(roomy(case), fill)
    exact_maps(ready, 4, (5,))
    if fill == "mean":
        inputs = next(case.batches(ready.train, ready.fill.rows, 9)).inputs
        means = torch.relu(case.model.conv(inputs)).mean((0, 2, 3)).detach()
        expected = torch.cat([torch.zeros(1), means.repeat_interleave(4), torch.zeros(1)])
        torch.testing.assert_close(ready.fill.means["gate"], expected.double(), **CLOSE)


def test_a_gate_that_is_called_twice_has_one_mean():
    case = traced_with_gates(randomise(Twice()), Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),)))
    exact_maps(filled_case(roomy(case), "mean"), 4, (5,))


class Untraceable(nn.Module):
    """Looks at its data, so that it cannot be traced; it carries its own gate."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(3, 4, 3), Gate(4), nn.Linear(4, 3)

    def forward(self, x):
        maps = torch.relu(self.conv(x))
        return self.read(self.gate(maps if maps.sum() > 0 else -maps).mean((2, 3)))


@pytest.mark.parametrize("fill", OTHERS)
def test_a_network_that_runs_whole(fill):
    site = Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))
    case = filled_case(roomy(case_of(randomise(Untraceable()), carried=[site])), fill)
    assert exact_maps(case, 4, (5,)).network.why == "it is not a traced network"


def test_by_hand():
    """Pixels 1, 2, −3, 4, maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0), which the loss reads with 10, −1 and 5."""
    case, site = pixel_case(), pixel_case().sites[0]
    maps = torch.tensor([[1.0, 2, 0], [2, 4, 0], [0, 0, 3], [4, 8, 0]])
    mean = prepared(dataclasses.replace(case, fill=Fill("mean", [1, 3], 0)), range(4), 1)
    assert mean.fill.means[site.gates[0]].tolist() == [3, 6, 0]
    away = -(maps - torch.tensor([3.0, 6, 0])) * torch.tensor([10.0, -1, 5])
    assert torch.equal(literal(mean, site, first(mean, 4)), away)
    assert torch.equal(Replay(mean)(site, first(mean, 4)), away)
    sample = dataclasses.replace(case, fill=Fill("resample", [1], 0))
    away = -(maps - maps[1]) * torch.tensor([10.0, -1, 5])
    assert torch.equal(literal(sample, site, first(sample, 4)), away)
    assert torch.equal(Replay(sample)(site, first(sample, 4)), away)
    both = literal_sets(sample, [MapSet.of({site.name: [0, 2]})], first(sample, 4))
    assert torch.equal(both, away[:, [0, 2]].sum(1, keepdim=True))


@pytest.mark.parametrize("name", TOYS)
def test_maps_of_the_example_itself_change_nothing(name, monkeypatch):
    monkeypatch.setattr(Fill, "partner", lambda fill, row: row)
    case = filled_case(toy_case(name), "resample")
    batch = first(case, 6)
    for site in case.sites:
        torch.testing.assert_close(literal(case, site, batch), torch.zeros(6, site.maps, dtype=torch.float64), **CLOSE)
        engine = Replay(case, choices=Choices({"memory format": PLAIN}))
        assert engine(site, batch).abs().max() < 1e-12


@pytest.mark.parametrize("name", TOYS)
def test_a_fill_of_zeros_is_the_removal_itself_bit_for_bit(name):
    plain = toy_case(name, precision="float32")
    case = filled_case(plain, "mean")
    for mean in case.fill.means.values():
        mean.zero_()
    for site in case.sites:
        assert torch.equal(literal(case, site, first(case, 6)), literal(plain, site, first(plain, 6)))
        assert torch.equal(Replay(case)(site, first(case, 6)), Replay(plain)(site, first(plain, 6)))


@pytest.mark.parametrize("fill", OTHERS)
def test_only_what_equals_its_fill_is_left_out(fill):
    """Map 0 is dead, so that its mean is dead, too; a live map is never left out, a dead one only where its fill is dead."""
    case = toy_case("plain")
    with torch.no_grad():
        case.model.get_submodule("features.1").bias[0] = -100.0
    ready = filled_case(case, fill)
    engine, site = Replay(ready), ready.sites[0]
    alive = engine.alive(site, first(ready, 6))
    assert not alive[:, 0].any()
    assert alive[:, 1:].all()
    if fill == "mean":
        ready.fill.means[site.gates[0]][0] = 0.5
        assert Replay(ready).alive(site, first(ready, 6))[:, 0].all()
        exact_maps(ready, 6, (7,))


def unpadded_case():
    """Behind each of its maps nothing is padded, and nothing that is not linear stands in front of the next layer."""
    torch.manual_seed(5)
    layers = nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten()
    return roomy(case_of(randomise(nn.Sequential(*layers, nn.Linear(4, 3)))))


def test_the_mean_is_removal_with_its_bias_repaired():
    case = unpadded_case()
    ready = filled_case(case, "mean")
    batch = first(ready, 5)
    for site in case.sites:
        found = literal(ready, site, batch)
        for index in range(site.maps):
            mended = carried(case, {site.name: [index]}, list(ready.fill.rows)).case
            value = torch.ones(5, site.maps, dtype=torch.float64)
            value[:, index] = 0
            with torch.no_grad(), gated(mended.model, {site: value}):
                removed = case.loss(mended.model(batch.inputs), batch.labels)
            kept = case.loss(case.model(batch.inputs), batch.labels).detach()
            torch.testing.assert_close(found[:, index], removed - kept, **CLOSE)


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("name", TOYS)
def test_predictions_of_the_estimated_oracle_are_slopes_towards_the_fill(name, fill):
    case = filled_case(dataclasses.replace(toy_case(name), loss=lambda output, labels: output.square().sum(1)), fill)
    batch, step = first(case, 5), 1e-7
    moves = first_order_moves(case, batch, list(range(5)))
    for site in case.sites:
        losses = []
        for value in (1 - step, 1, 1 + step):
            gates = torch.ones(5, site.maps, dtype=torch.float64)
            gates[:, 0] = value
            with torch.no_grad(), filled(case.model, fills_for(case, batch)), gated(case.model, {site: gates}):
                losses.append(case.loss(case.model(batch.inputs), batch.labels))
        below, above = (losses[0] - losses[1]) / step, (losses[1] - losses[2]) / step
        smooth = torch.isclose(below, above, rtol=1e-5, atol=1e-5)  # zeros that tie in a max-pooling make a kink
        assert smooth.sum() >= 3
        found = torch.from_numpy(moves[f"moves/{site.name}"][:, 0])
        torch.testing.assert_close(found[smooth], ((below + above) / 2)[smooth], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("budget", [None, "0.5"])
def test_an_oracle_is_measured_estimated_and_checked(tmp_path, fill, budget):
    case, out = toy_case("residual"), tmp_path / "oracle.safetensors"
    done = run_oracle(case, out, ExampleChoice(), Resources("cpu", "float64", 5), budget=budget, fill=fill)
    file = runs.load(out, "oracle")
    assert file.facts["fill"].items() >= {"name": fill, "examples": 6}.items()
    assert done.facts["recheck"]["largest difference"] < 1e-9
    ready = filled_case(case, fill)
    batch = next(ready.batches(ready.train, file.arrays["rows"].tolist(), 12))
    for site in case.sites:
        measured = file.arrays.get(f"measured/{site.name}", np.ones((12, site.maps), bool))
        assert measured.any()
        difference = file.arrays[f"change/{site.name}"] - literal(ready, site, batch).numpy()
        assert np.abs(difference[measured]).max() < 1e-9


def test_the_check_knows_the_fill():
    plain = toy_case("plain")
    case = filled_case(plain, "resample")
    oracle = measure(plain, Replay(plain), range(12), 12)
    with pytest.raises(BadInput, match="this engine is not exact on this network"):
        recheck(case, oracle, range(12))
    assert math.isfinite(recheck(case, measure(case, Replay(case), range(12), 12), range(12)))
