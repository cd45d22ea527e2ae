"""The replay engine equals the literal one, on toys at every fold and on torchvision's networks."""

import dataclasses

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.data import TensorDataset
from toys import TOYS, randomise, toy_case

from bench import memory
from bench.assemble import assemble
from bench.case import Site, load
from bench.errors import BadInput
from bench.functional import out_of_place
from bench.gates import Gate, gated
from bench.labels import trace
from oracle.choices import Choices
from oracle.literal import literal
from oracle.measure import measure, recheck
from oracle.plan import LINEAR, WHOLE
from oracle.prepare import LAST, PLAIN
from oracle.progress import Progress, clock
from oracle.replay import Replay
from oracle.traced import Traced


def every_way(case, engine, site, batch):
    """The change as the engine chooses to measure it, then in each way that it has."""
    found = [engine(case, site, batch)]
    plan = engine.network.plans.get(site) if isinstance(engine.network, Traced) else None
    for way in plan.ways if plan else ():
        plan.taken = way
        found.append(engine(case, site, batch))
    return found


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
    assert engine.why == ""


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
    assert engine.why == ""


def test_what_cannot_be_kept_runs_whole_and_says_so_once(caplog):
    data = TensorDataset(torch.randn(8, 2, 6, 6), torch.randint(0, 3, (8,)))
    site = Site("conv", 4, ("conv",), ("gate",), ((0, 1, 2, 3),))
    case = assemble(randomise(Untraceable()), data, data, carried=[site]).to("cpu", "float64")
    engine = Replay(case)
    for _ in range(2):
        batch = next(case.batches(data, range(5), 5))
        torch.testing.assert_close(engine(case, site, batch), literal(case, site, batch), rtol=1e-9, atol=1e-12)
    assert engine.why == "it is not a traced network"
    said = "unnamed: every removal runs the whole network, since it is not a traced network"
    assert [record.message for record in caplog.records] == [said]


def folds(monkeypatch, limit=10**9):
    """How many pairs the engine puts side by side, call by call; more than `limit` of them do not fit."""
    seen, removed = [], Traced.removed

    def narrow(network, site, examples, maps):
        if len(maps) > limit:
            raise torch.OutOfMemoryError
        seen.append(len(maps))
        return removed(network, site, examples, maps)

    monkeypatch.setattr(Traced, "removed", narrow)
    return seen


def test_memory_bounds_the_pairs_side_by_side(monkeypatch):
    case, seen = toy_case("plain"), folds(monkeypatch)
    batch = next(case.batches(case.train, range(6), 6))
    engine = Replay(case, choices=Choices({"features.0": WHOLE}))
    expected = engine(case, case.sites[0], batch)
    pairs, each = int(engine.network.alive(case.sites[0]).sum()), engine.network.pair_bytes(case.sites[0])
    assert each >= 2 * 5 * 64 * 8  # an output of the first gate and the product that made it
    assert seen == [pairs]
    few = Replay(case, 2 * 7 * each, engine.choices)
    torch.testing.assert_close(few(case, case.sites[0], batch), expected, rtol=1e-9, atol=1e-12)
    assert seen == [pairs, *[7] * (pairs // 7), *[pairs % 7][: pairs % 7]]


def test_out_of_memory_halves_the_fold_and_goes_on(monkeypatch, caplog):
    case, seen = toy_case("plain"), folds(monkeypatch, 6)
    batch = next(case.batches(case.train, range(6), 6))
    change = Replay(case, fold=20)(case, case.sites[0], batch)
    torch.testing.assert_close(change, literal(case, case.sites[0], batch), rtol=1e-9, atol=1e-12)
    assert set(seen[:-1]) == {5}
    said = "unnamed: out of memory at site features.0: {} removals side by side from now on"
    assert [record.message for record in caplog.records] == [said.format(10), said.format(5)]
    folds(monkeypatch, 0)
    with pytest.raises(BadInput, match=r"no memory for a single removal at site 'features.0': take a smaller --batch"):
        Replay(case)(case, case.sites[0], batch)


@pytest.mark.parametrize("text", ["4", "4GB", "-1GiB", "0GiB", "lots"])
def test_a_memory_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match=f"--memory is '{text}'; allowed is a number with KiB, MiB or GiB, such as 4GiB"):
        memory.parse(text)


def test_memory_in_words():
    assert [memory.parse(text) for text in ("4GiB", "1.5 MiB", "3KiB")] == [4 * 2**30, 3 * 2**19, 3 * 2**10]


def test_bfloat16_is_a_coarse_oracle():
    case = load("vgg-digits", 0)
    few = dataclasses.replace(case, sites=case.sites[6:7])
    exact, coarse = (
        measure(few.to("cpu", precision), Replay(few.to("cpu", precision)), range(32), 32)
        for precision in ("float64", "bfloat16")
    )
    name = few.sites[0].name
    assert coarse.changes[name].dtype == torch.float32
    difference = (coarse.changes[name] - exact.changes[name]).abs().mean()
    assert 1e-4 < difference < 0.3 * exact.changes[name].abs().mean()


def test_tf32_needs_a_gpu():
    with pytest.raises(BadInput, match="precision 'tf32' is a GPU's: on a CPU choose float32, float64 or bfloat16"):
        toy_case("plain").to("cpu", "tf32")


def test_the_rest_is_priced_site_by_site(monkeypatch):
    case = toy_case("residual")
    progress = Progress(case, 10)  # 4, 3 and 5 maps
    stem, side, _ = case.sites
    progress.measured(stem, 20, 2.0)  # 0.1 s a pair
    progress.measured(side, 15, 0.15)  # 0.01 s a pair; the mean over the 35 is 2.15 / 35 s
    progress.found(stem, 4)
    assert progress.remaining() == pytest.approx(16 * 0.1 + 15 * 0.01 + 50 * 2.15 / 35)
    assert clock(3 * 3600 + 62.9) == "3:01:02"


def test_out_of_place_is_the_same_function_with_the_same_weights():
    model, inputs = randomise(InPlace()), torch.randn(4, 2, 6, 6)
    rewritten = out_of_place(trace(model))
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
    change = engine(case, case.sites[1], batch)
    assert not engine.network.alive(case.sites[1])[:, 2].any()
    assert torch.equal(change[:, 2], torch.zeros(6, dtype=torch.float64))
    torch.testing.assert_close(change, literal(case, case.sites[1], batch))


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_embedded_cases(name):
    case = load(name, 0).to("cpu", "float64")
    few = dataclasses.replace(case, sites=case.sites[:: 4 if name == "vgg-digits" else 3])
    engine = check(few, 3, fold=200)
    assert engine.why == ""
    assert all(LINEAR in engine.network.plans[site].ways for site in few.sites)


NETWORKS = {
    "alexnet": 64,
    "vgg11": 32,
    "vgg16_bn": 32,
    "resnet18": 32,
    "resnet50": 32,
    "squeezenet1_1": 32,
    "mobilenet_v2": 32,
    "densenet121": 32,
    "googlenet": 32,
    "r3d_18": 16,
    "r2plus1d_18": 16,
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_torchvision(name, monkeypatch):
    """Three sites, a few maps of each; the other maps are taken for dead so that the test is quick."""
    torch.manual_seed(0)
    video, size = name in {"r3d_18", "r2plus1d_18"}, NETWORKS[name]
    extra = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models.video if video else torchvision.models, name)(weights=None, num_classes=10, **extra)
    data = TensorDataset(torch.randn(8, 3, *((4,) if video else ()), size, size), torch.randint(0, 10, (8,)))
    case = assemble(randomise(model), data, data).to("cpu", "float64")
    batch, engine, alive = next(case.batches(data, range(2), 2)), Replay(case), Traced.alive
    moved = 0.0
    for place in range(3):
        site = case.sites[place * (len(case.sites) - 1) // 2]
        maps = sorted({0, site.maps // 3, site.maps - 1})
        some = torch.zeros(site.maps, dtype=torch.bool)
        some[maps] = True
        monkeypatch.setattr(Traced, "alive", lambda network, site, some=some: alive(network, site) & some)
        kept = case.loss(case.model(batch.inputs), batch.labels).detach()
        for found in every_way(case, engine, site, batch):
            for index in maps:
                value = torch.ones(2, site.maps, dtype=torch.float64)
                value[:, index] = 0
                with torch.no_grad(), gated(case.model, {site: value}):
                    expected = case.loss(case.model(batch.inputs), batch.labels) - kept
                torch.testing.assert_close(found[:, index], expected, rtol=1e-9, atol=1e-9)
                moved = max(moved, float(expected.abs().max()))
    assert moved > 1e-6
    assert engine.why == ""


def test_the_default_batch_holds_so_many_activations():
    case = toy_case("plain")
    held = 3 * 5 * 64 + 5 * 16 + 2 * 4 * 16 + 3 + 5 * 64 + 4 * 16  # numbers behind every layer and gate of one example
    assert memory.activations(case) == held * 8
    assert memory.batch_size(case, 2 * 10 * held * 8) == 10
    assert memory.batch_size(case, 1) == 1
    assert not any(module._forward_hooks for module in case.model.modules())


def test_a_wrong_engine_is_caught_by_the_recheck():
    case = toy_case("plain")
    right = measure(case, Replay(case), range(12), 12)
    assert recheck(case, right, range(12)) < 1e-12
    wrong = dataclasses.replace(right, changes={name: -change for name, change in right.changes.items()})
    with pytest.raises(BadInput, match=r"unnamed: the oracle of map \d of site 'features.* but literally .* --engine literal"):
        recheck(case, wrong, range(12))
