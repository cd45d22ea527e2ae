"""The replay engine equals the literal one on toys and hard networks, at every fold, in every way, in every format."""

import dataclasses

import pytest
import torch
from every_way import every_way
from torch import nn
from torch.utils.data import TensorDataset
from toys import TOYS, randomise, toy_case

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.tracing import trace
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.fold_batch_norms import LAST, PLAIN
from pruning_oracle.oracle.exact.plan import LINEAR
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure, recheck


def check(case, examples, fold=50):
    """Every site of a case, every way, in both memory formats, against literal."""
    batch = next(case.batches(case.train, range(examples), examples))
    expected = {site: literal(case, site, batch) for site in case.sites}
    for form in (PLAIN, LAST):
        engine = Replay(case, choices=Choices({"memory format": form}), fold=fold)
        for site in case.sites:
            assert expected[site].abs().max() > 1e-7
            for found in every_way(case, engine, site, batch):
                torch.testing.assert_close(found, expected[site], rtol=1e-9, atol=1e-12)
    return engine


@pytest.mark.parametrize("fold", [1, 7, 1000])
@pytest.mark.parametrize("name", TOYS)
def test_toys_at_every_fold(name, fold):
    engine = check(toy_case(name), 6, fold)
    assert engine.network.why == ""


def test_batches_of_any_size_one_after_another():
    case = toy_case("residual")
    whole, parts = (measure(case, Replay(case, fold=5), range(12), size).changes for size in (12, 5))
    for site in case.sites:
        torch.testing.assert_close(whole[site.name], parts[site.name], rtol=1e-9, atol=1e-12)


class InPlace(nn.Module):
    """In-place activations of every kind, some on values that are read again."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.elu, self.silu, self.hard = nn.ELU(inplace=True), nn.SiLU(inplace=True), nn.Hardswish(inplace=True)
        self.drop = nn.Dropout(0.5, inplace=True)
        self.read = nn.Linear(4, 3)

    def forward(self, images):
        maps = self.first(images)
        self.elu(maps)
        before = self.second(maps)
        stream = self.silu(before)
        stream = stream.add_(maps)
        nn.functional.leaky_relu(stream, 0.1, True)
        stream.mul_(1.5)
        self.hard(stream)
        return self.read(self.drop(stream + before).mean((2, 3)))


class Heads(nn.Module):
    """Two heads, a tuple as output, grouped convolution, 1D after 2D, ceil-mode and adaptive pooling, concatenation."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.grouped = nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.line = nn.Conv1d(12, 5, 3)
        self.adapt = nn.AdaptiveAvgPool1d(4)
        self.one, self.two = nn.Linear(20, 3), nn.LSTM(5, 4, batch_first=True)

    def forward(self, images):
        maps = torch.relu(self.stem(images))
        both = torch.cat([self.pool(maps), self.pool(torch.tanh(self.grouped(maps)))], 1)
        line = self.adapt(torch.relu(self.line(both.flatten(2))))
        size = line.size(0)
        return self.one(line.view(size, -1)), self.two(line.transpose(1, 2))[0][:, -1]


class Once(nn.Module):
    """The clip network is called once per clip, and the results stacked for a recurrent layer in time-first order."""

    def __init__(self):
        super().__init__()
        self.clip = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveMaxPool3d(1))
        self.recurrent, self.read = nn.RNN(4, 5), nn.Linear(5, 3)

    def forward(self, videos):
        clips = [self.clip(videos[:, :, start : start + 3]).flatten(1) for start in (0, 3)]
        return self.read(self.recurrent(torch.stack(clips))[0][-1])


class Untraceable(nn.Module):
    """Looks at its data, so that it cannot be traced; it carries its own gate."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(2, 4, 3), Gate(4), nn.Linear(4, 3)

    def forward(self, images):
        maps = torch.relu(self.conv(images))
        return self.read(self.gate(maps if maps.sum() > 0 else -maps).mean((2, 3)))


def sum_of_heads(output, labels):
    return nn.functional.cross_entropy(output[0], labels, reduction="none") + output[1].square().sum(1)


def case_of(model, shape, **settings):
    torch.manual_seed(2)
    data = TensorDataset(torch.randn(8, *shape), torch.randint(0, 3, (8,)))
    return assemble(randomise(model), data, data, **settings).to("cpu", "float64")


@pytest.mark.parametrize(
    ("build", "shape", "settings"),
    [(InPlace, (2, 6, 6), {}), (Heads, (2, 9, 9), {"loss": sum_of_heads}), (Once, (1, 6, 5, 5), {})],
)
def test_hard_networks(build, shape, settings):
    engine = check(case_of(build(), shape, **settings), 5)
    assert engine.network.why == ""


def test_what_cannot_be_kept_runs_whole_and_says_so_once(caplog):
    data = TensorDataset(torch.randn(8, 2, 6, 6), torch.randint(0, 3, (8,)))
    site = Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))
    case = assemble(randomise(Untraceable()), data, data, carried=[site]).to("cpu", "float64")
    engine = Replay(case)
    for _ in range(2):
        batch = next(case.batches(data, range(5), 5))
        torch.testing.assert_close(engine(site, batch), literal(case, site, batch), rtol=1e-9, atol=1e-12)
    assert engine.network.why == "it is not a traced network"
    said = "unnamed: every removal runs the whole network, since it is not a traced network"
    assert [record.message for record in caplog.records] == [said]


def test_out_of_place_is_the_same_function_with_the_same_weights():
    model, inputs = randomise(InPlace()), torch.randn(4, 2, 6, 6)
    rewritten = trace(model, inputs)
    assert torch.equal(rewritten(inputs), model(inputs))
    assert next(rewritten.parameters()) is next(model.parameters())
    assert not any(getattr(module, "inplace", False) for module in rewritten.modules())
    assert model.elu.inplace


def test_maps_that_are_zero_are_skipped_and_exactly_zero():
    case = toy_case("plain")
    with torch.no_grad():
        case.model.get_submodule("features.4").bias[2] = -100.0
    batch = next(case.batches(case.train, range(6), 6))
    engine = Replay(case)
    change = engine(case.sites[1], batch)
    assert not engine.network.alive(case.sites[1])[:, 2].any()
    assert torch.equal(change[:, 2], torch.zeros(6, dtype=torch.float64))
    torch.testing.assert_close(change, literal(case, case.sites[1], batch))


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_embedded_cases(name):
    case = load(name, 0).to("cpu", "float64")
    few = dataclasses.replace(case, sites=case.sites[:: 4 if name == "vgg-digits" else 3])
    engine = check(few, 3, fold=200)
    assert engine.network.why == ""
    assert all(LINEAR in engine.network.traced.plans[site.name].ways for site in few.sites)


def test_a_wrong_engine_is_caught_by_the_recheck():
    case = toy_case("plain")
    right = measure(case, Replay(case), range(12), 12)
    assert recheck(case, right, range(12)) < 1e-12
    wrong = dataclasses.replace(right, changes={name: -change for name, change in right.changes.items()})
    with pytest.raises(BadInput, match=r"unnamed: the oracle of map \d of site 'features.* but literally .* --engine literal"):
        recheck(case, wrong, range(12))
