"""What the engine may hold, what it does when that is too much, coarser precisions, and the time that is left."""

import dataclasses
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from commands import command, surroundings
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.network import Network
from pruning_oracle.oracle.exact.plan import LINEAR, WHOLE
from pruning_oracle.oracle.exact.proof import PAIRS
from pruning_oracle.oracle.exact.removals import one_map_each
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.traced import Traced
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.progress import Progress


def folds(monkeypatch, limit=10**9):
    """How many pairs the engine puts side by side, call by call; more than `limit` of them do not fit, in trials neither."""
    seen, removed, replay = [], Traced.removed, Traced._replay

    def counted(network, site, examples, maps):
        found = removed(network, site, examples, maps)
        seen.append(len(maps))
        return found

    def narrow(network, site, way, examples, maps):
        if len(maps) > limit:
            raise torch.OutOfMemoryError
        return replay(network, site, way, examples, maps)

    monkeypatch.setattr(Traced, "removed", counted)
    monkeypatch.setattr(Traced, "_replay", narrow)
    return seen


def exhausted(output, labels):
    """A pass that does not fit."""
    raise torch.OutOfMemoryError


BOUND = """
import sys
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.models.vgg import VGG16
from timings.networks import random_weights
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.network import Network
from pruning_oracle.oracle.exact.plan import WHOLE
from pruning_oracle.oracle.exact.removals import one_map_each
from pruning_oracle.oracle.exact.replay import Replay

case = random_weights(lambda: VGG16(3, shrink=4), 3, 32, 32)
batch = next(case.batches(case.train, range(40), 40))
case.losses(batch)
memory.keep_heap()
memory.forget_peak(case.device)
before = memory.peak(case.device)
engine = Replay(case, int(sys.argv[1]), Choices({site.name: WHOLE for site in case.sites}))
engine(case.sites[0], batch)
print(memory.peak(case.device) - before)
"""


ESTIMATED = """
import sys
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.exact.network import Network
from pruning_oracle.oracle.exact.plan import WHOLE
from pruning_oracle.oracle.exact.removals import one_map_each
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.estimated.sampling import Sampling

case = load("r3dcnn-gestures", 0)
case.losses(next(case.batches(case.train, range(16), 16)))
memory.keep_heap()
memory.forget_peak(case.device)
before = memory.peak(case.device)
engine = Replay(case, int(sys.argv[1]), Choices({site.name: WHOLE for site in case.sites}))
Sampling(case, engine, range(64), 16).run(Goal(0.02))
print(memory.peak(case.device) - before)
"""
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")


def held(script, *limits):
    """How many bytes a process really held at most, for every limit."""
    where = surroundings(CUDA_VISIBLE_DEVICES="")
    words = [[sys.executable, "-W", "ignore", "-c", script, str(limit)] for limit in limits]
    return [int(subprocess.run(each, env=where, capture_output=True, text=True, check=True).stdout) for each in words]


LARGE = """
import torch
from torch import nn
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from torch.utils.data import TensorDataset

@case
def large(seed):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 24, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(24, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    data = TensorDataset(torch.randn(20, 3, 96, 96), torch.arange(20) % 3)
    return assemble(nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)).eval(), data, data, examples=5)
"""
LEAST = """
import sys
import torch
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.__main__ import main

case = load("large.py", 0)
case.losses(next(case.batches(case.train, [0], 1)))
memory.keep_heap()
memory.forget_peak(case.device)
before = memory.peak(case.device)
main(["large.py", "--memory", sys.argv[1]])
print(memory.peak(case.device) - before)
"""


@linux
def test_a_limit_is_held_or_refused_with_the_least_that_can_be_before_anything_is_measured(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    done = command("oracle", "large.py", "--memory", "8MiB", folder=tmp_path)
    assert done.returncode == 2
    assert "error: --memory is 8MiB; large: one example's oracle takes at least " in done.stderr
    assert not (tmp_path / "runs").exists()
    least = done.stderr.split()[-1]
    words = [sys.executable, "-W", "ignore", "-c", LEAST, least]
    where = surroundings(CUDA_VISIBLE_DEVICES="", TQDM_DISABLE="1")
    done = subprocess.run(words, env=where, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 2**20 < int(done.stdout.splitlines()[-1]) < memory.parse(least) < 100 * 2**20


@linux
def test_memory_bounds_what_the_process_really_holds():
    one, bounded, free = held(BOUND, 1, 32 * 2**20, 2**33)  # one pair shows what the engine itself holds, by machine
    assert bounded - one < 32 * 2**20 < 64 * 2**20 < free - one


@pytest.mark.slow
@linux
def test_memory_bounds_the_blocks_whose_values_stay():
    """All 64 videos take 280 MiB."""
    none, some, every = held(ESTIMATED, 256 * 2**20, 512 * 2**20, 768 * 2**20)
    assert none < 256 * 2**20
    assert none + 50 * 2**20 < some < 512 * 2**20
    assert every < 768 * 2**20


def test_memory_bounds_the_pairs_side_by_side(monkeypatch):
    case, seen = toy_case("plain"), folds(monkeypatch)
    batch = next(case.batches(case.train, range(6), 6))
    engine = Replay(case, choices=Choices({"features.0": WHOLE}))
    expected = engine(case.sites[0], batch)
    pairs, each = int(engine.network.alive(case.sites[0]).sum()), engine.network.pair_bytes(one_map_each(case, case.sites[0]))
    assert each >= 2 * 5 * 64 * 8  # an output of the first gate and the product that made it
    assert seen == [PAIRS, pairs]
    few = Replay(case, 4 * 7 * each, engine.choices)
    torch.testing.assert_close(few(case.sites[0], batch), expected, rtol=1e-9, atol=1e-12)
    assert seen[2:] == [PAIRS, *[7] * (pairs // 7), *[pairs % 7][: pairs % 7]]


def test_out_of_memory_halves_the_fold_and_goes_on(monkeypatch, caplog):
    case, seen = toy_case("plain"), folds(monkeypatch, 6)
    batch = next(case.batches(case.train, range(6), 6))
    engine = Replay(case, fold=20)
    change = engine(case.sites[0], batch)
    torch.testing.assert_close(change, literal(case, case.sites[0], batch), rtol=1e-9, atol=1e-12)
    assert seen[0] == PAIRS
    assert set(seen[1:-1]) == {5}
    said = "unnamed: out of memory at site features.0: {} removals side by side from now on"
    assert [record.message for record in caplog.records] == [said.format(10), said.format(5)]
    assert engine.choices["features.0"] in {WHOLE, LINEAR}
    full = dataclasses.replace(case, loss=exhausted)
    with pytest.raises(BadInput, match="unnamed: no memory for a batch of 6 examples: take a smaller --batch"):
        measure(full, partial(literal, full), range(6), 6)
    folds(monkeypatch, 0)
    with pytest.raises(BadInput, match=r"no memory for a single removal at site 'features.0': take a smaller --batch"):
        Replay(case)(case.sites[0], batch)


@pytest.mark.parametrize("what", ["keep", "removed"])
def test_out_of_memory_lets_the_values_go_that_stay(monkeypatch, caplog, what):
    case = toy_case("plain")
    expected = Sampling(case, Replay(case), range(12), 5).run(Goal(0.5))
    engine, does = Replay(case), getattr(Traced, what)

    def crowded(network, *given):
        if len(engine.stayed) > 1:
            raise torch.OutOfMemoryError
        return does(network, *given)

    monkeypatch.setattr(Traced, what, crowded)
    found = Sampling(case, engine, range(12), 5).run(Goal(0.5))
    assert "every round passes through the network again" in caplog.text
    assert engine.fold == Replay(case).fold
    for name, changes in expected.oracle.changes.items():
        torch.testing.assert_close(found.oracle.changes[name], changes)


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
    with pytest.raises(BadInput, match="precision 'tf32' is an NVIDIA GPU's: elsewhere choose float32, float64 or bfloat16"):
        toy_case("plain").to("cpu", "tf32")


def test_the_rest_is_priced_site_by_site(monkeypatch):
    case = toy_case("residual")
    progress = Progress("toy", [(site.name, 10 * site.maps) for site in case.sites])  # 4, 3 and 5 maps
    stem, side, _ = case.sites
    progress.measured(stem.name, 20, 2.0)  # 0.1 s a pair
    progress.measured(side.name, 15, 0.15)  # 0.01 s a pair; the mean over the 35 is 2.15 / 35 s
    progress.found(stem.name, 4)
    assert progress.remaining() == pytest.approx(16 * 0.1 + 15 * 0.01 + 50 * 2.15 / 35)


def test_an_early_estimate_does_not_take_planning_for_a_rate(monkeypatch):
    """On a clock that only planning (10 s a site), learning the layout (100 s) and pairs (0.1 s each) move."""
    case, now, guesses = toy_case("residual"), [0.0], []
    pairs = 12 * sum(site.maps for site in case.sites)
    fake = SimpleNamespace(monotonic=lambda: now[0])
    for module in ("oracle.parts", "oracle.progress", "oracle.exact.replay"):
        monkeypatch.setattr(f"pruning_oracle.{module}.time", fake)

    def moves(name, seconds):
        does = getattr(Network, name)

        def moved(network, *given):
            now[0] += seconds(network, *given)
            return does(network, *given)

        monkeypatch.setattr(Network, name, moved)

    moves("keep", lambda network, batch: 0.0 if network.traced else 100.0)
    moves("prepare", lambda network, site, *given: 0.0 if site.name in network.traced.plans else 10.0)
    moves("removed", lambda network, site, examples, maps: 0.1 * len(maps))
    counts = Progress.measured

    def measured(progress, *given):
        counts(progress, *given)
        guesses.append((now[0], progress.remaining()))

    monkeypatch.setattr(Progress, "measured", measured)
    monkeypatch.setattr(Traced, "alive", lambda network, site: torch.ones(network.examples, site.maps, dtype=torch.bool))
    measure(case, Replay(case), range(12), 4)
    assert now[0] == pytest.approx(100 + 10 * len(case.sites) + 0.1 * pairs)
    assert len(guesses) == 3 * len(case.sites)
    for at, left in guesses:
        assert left == pytest.approx(now[0] - at)


def test_the_default_batch_holds_so_many_activations():
    case = toy_case("plain")
    held = 3 * 5 * 64 + 5 * 16 + 2 * 4 * 16 + 3 + 5 * 64 + 4 * 16  # numbers behind every layer and gate of one example
    assert memory.activations(case) == held * 8
    assert memory.batch_size(case, 2 * 10 * held * 8) == 10
    assert memory.batch_size(case, 1) == 1
    assert not any(module._forward_hooks for module in case.model.modules())
