"""Joint losses of many sets: the same at every batching and chunking, resumed where they stopped, checked, within memory."""

import dataclasses
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from commands import surroundings
from random_sets import sets_of_every_kind
from toys import TOYS, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet, random_sets
from pruning_oracle.bench.setting import Resources
from pruning_oracle.oracle.exact.traced import Traced
from pruning_oracle.oracle.resume import Units
from pruning_oracle.oracle.sets import measure as module
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.measure import SET_ENGINES, measure_sets, recheck_sets
from pruning_oracle.oracle.sets.replay import ReplaySets
from pruning_oracle.oracle.sets.run import run_sets


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize(("size", "pairs"), [(12, 10**6), (5, 12), (1, 1)])
def test_any_batching_and_chunking_gives_the_same(monkeypatch, name, size, pairs):
    monkeypatch.setattr(module, "PAIRS", pairs)
    case = toy_case(name)
    sets, batch = sets_of_every_kind(case), next(case.batches(case.train, range(12), 12))
    found = measure_sets(case, ReplaySets(case), sets, range(12), size)
    torch.testing.assert_close(found.joint, literal(case, sets, batch), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.kept, case.loss(case.model(batch.inputs), batch.labels).detach())


def noted(case, stop=None):
    """A literal engine that says which sets it was asked for, and how many examples; it fails when asked for the `stop`th."""
    asked = []

    def engine(sets, batch):
        if len(asked) == stop:
            raise KeyboardInterrupt
        asked.append((tuple(sets), batch.examples))
        return literal(case, sets, batch)

    return engine, asked


def test_equal_sets_are_measured_once_and_empty_ones_never(monkeypatch):
    monkeypatch.setattr(module, "PAIRS", 12)
    case = toy_case("plain")
    sets = [MapSet.of(one) for one in ({"features.4": [1]}, {}, {"features.0": [1]}, {"features.4": [1]}, {"features.0": [0]})]
    engine, asked = noted(case)
    found = measure_sets(case, engine, sets, range(12), 6)
    assert asked == [((sets[4], sets[2]), 6), ((sets[0],), 6)] * 2
    assert torch.equal(found.joint[:, 0], found.joint[:, 3])
    assert not found.joint[:, 1].any()
    none = measure_sets(case, engine, [sets[1]], range(12), 6)
    assert none.joint.shape == (12, 1)
    assert len(asked) == 4


def test_only_what_is_missing_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "PAIRS", 30)
    case, out = toy_case("residual"), tmp_path / "sets.safetensors"
    sets = sets_of_every_kind(case)
    engine, asked = noted(case, 4)
    with pytest.raises(KeyboardInterrupt), Units(out, {"a": 1}).hold() as units:
        measure_sets(case, engine, sets, range(12), 5, units)
    again, missing = noted(case)
    with Units(out, {"a": 1}).hold() as units:
        found = measure_sets(case, again, sets, range(12), 5, units)
    whole, every = noted(case)
    assert torch.equal(found.joint, measure_sets(case, whole, sets, range(12), 5).joint)
    assert asked + missing == every
    assert list(tmp_path.iterdir()) == []


def test_killed_at_random_moments_the_result_is_bit_identical(tmp_path):
    digests, kills = set(), 0
    for seed in (0, 1, -1):
        out = tmp_path / str(seed) / "sets.safetensors"
        words = [sys.executable, str(Path(__file__).parents[2] / "support/interrupted.py"), str(out), str(seed), "sets"]
        done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=True, timeout=120)
        killed, _, status = map(int, done.stdout.split())
        assert status == 0, done.stderr
        kills += killed
        digests.add(runs.digest(runs.load(out, "sets").arrays))
    assert len(digests) == 1
    assert kills >= 2


def test_a_wrong_engine_is_caught_by_the_recheck():
    case = toy_case("plain")
    sets = random_sets(case, 6, 0.3, 0)
    right = measure_sets(case, ReplaySets(case), sets, range(12), 12)
    assert recheck_sets(case, right, sets, range(12)) < 1e-12
    wrong = dataclasses.replace(right, joint=-right.joint)
    with pytest.raises(BadInput, match=r"unnamed: the joint loss of set \d on training example .* use --engine literal"):
        recheck_sets(case, wrong, sets, range(12))


def test_a_loss_that_is_not_finite_names_the_set():
    case = toy_case("plain")
    sets = [MapSet.of({"features.0": [1, 2]}), MapSet.of({"features.4": [0]})]

    def engine(sets, batch):
        return literal(case, sets, batch) * torch.tensor([1.0, float("nan")])[: len(sets)]

    said = r"unnamed: the loss changes by nan with set 1 \(1 maps\) removed, on training example 0"
    with pytest.raises(BadInput, match=said):
        measure_sets(case, engine, sets, range(6), 6)


CPU = Resources("cpu")


def test_a_run_file_holds_all_that_an_oracles_holds(tmp_path):
    case, choice = toy_case("plain", precision="float32"), ExampleChoice()
    sets = [*random_sets(case, 5, 0.3, 0), MapSet.of({})]
    out = tmp_path / "s.safetensors"
    done = run_sets(case, out, sets, choice, CPU)
    file = runs.load(out, "sets")
    assert {name: array.shape for name, array in file.arrays.items()} == {"joint": (12, 6), "kept": (12,), "rows": (12,)} | {
        "labels": (12,)
    }
    assert file.facts["sets"] == [one.named for one in sets]
    assert file.facts["recheck"]["largest difference"] < 1e-5
    assert {"commit", "versions", "test", "device", "threads", "choices", "setting", "engine", "data", "weights"} < set(
        file.facts
    )
    assert not done.current
    assert run_sets(case, out, sets, choice, CPU).current
    assert not run_sets(case, out, sets[::-1], choice, CPU).current
    slow = run_sets(case, tmp_path / "l.safetensors", sets[::-1], choice, CPU, "literal")
    files = (runs.load(path, "sets").arrays["joint"] for path in (out, slow.out))
    torch.testing.assert_close(*map(torch.from_numpy, files))


def test_an_engine_that_does_not_exist_is_refused(tmp_path):
    case = toy_case("plain")
    with pytest.raises(BadInput, match="unknown engine 'fast': choose from literal, replay"):
        run_sets(case, tmp_path / "s.safetensors", random_sets(case, 1, 0.3, 0), ExampleChoice(), CPU, "fast")
    assert sorted(SET_ENGINES) == ["literal", "replay"]


BOUND = """
import sys
from pruning_oracle.bench.map_set import random_sets
from pruning_oracle.bench.models.vgg import VGG16
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.sets.replay import ReplaySets
from timings.networks import random_weights

case = random_weights(lambda: VGG16(3, shrink=4), 3, 32, 32)
batch = next(case.batches(case.train, range(40), 40))
case.losses(batch)
memory.keep_heap()
memory.forget_peak(case.device)
before = memory.peak(case.device)
ReplaySets(case, int(sys.argv[1]))(random_sets(case, 26, 0.1, 0), batch)
print(memory.peak(case.device) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")
def test_memory_bounds_what_the_process_really_holds():
    where = surroundings(CUDA_VISIBLE_DEVICES="")
    limits = (1, 32 * 2**20, 2**33)  # one pair shows what the engine itself holds, by machine
    words = [[sys.executable, "-W", "ignore", "-c", BOUND, str(limit)] for limit in limits]
    held = [int(subprocess.run(each, env=where, capture_output=True, text=True, check=True).stdout) for each in words]
    assert held[1] - held[0] < 32 * 2**20 < 64 * 2**20 < held[2] - held[0]


def test_memory_bounds_the_pairs_side_by_side(monkeypatch):
    case, seen, replayed = toy_case("residual"), [], Traced.removed

    def noted(network, removals, examples, which):
        seen.append((len(which), network.pair_bytes(removals) + removals.held))
        return replayed(network, removals, examples, which)

    sets, batch = random_sets(case, 8, 0.3, 0), next(case.batches(case.train, range(6), 6))
    expected, room = ReplaySets(case)(sets, batch), 7 * 20_000
    few = ReplaySets(case, 4 * room)
    few(sets, batch)
    monkeypatch.setattr(Traced, "removed", noted)
    torch.testing.assert_close(few(sets, batch), expected, rtol=1e-9, atol=1e-12)
    assert all(count * each <= room for count, each in seen)
    assert max(count for count, _ in seen) > 1
    assert {count for count, _ in seen} < set(range(1, 25))  # of 48 pairs


def test_the_definition_is_one_of_the_engines():
    case = toy_case("plain")
    sets, batch = random_sets(case, 2, 0.3, 0), next(case.batches(case.train, range(3), 3))
    made = SET_ENGINES["literal"](case, 1, {})
    assert isinstance(made, partial)
    assert torch.equal(made(sets, batch), literal(case, sets, batch))
