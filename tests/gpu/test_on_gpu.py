"""On a GPU the engines, the criteria and the loop give what the CPU gives in float64, within the precision's rounding.

`make gpu` runs them first. With STANDIN set they rehearse on the device that stands in for a GPU, but for what only CUDA has.
"""

import copy
import dataclasses
import os
from functools import partial

import numpy as np
import pytest
import torch
from every_way import every_way
from toys import TOYS, toy_case

from pruning_oracle.bench.device import choose_device, device_name, total_memory
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.criteria.criterion import choose_criteria, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import start

HERE, THERE = "cpu", os.environ.get("GPU", "standin" if os.environ.get("STANDIN") else "cuda")
ABSENT = THERE == HERE or (THERE.startswith("cuda") and not torch.cuda.is_available())
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(ABSENT, reason="needs a GPU")]
cuda_only = pytest.mark.skipif(not THERE.startswith("cuda"), reason="only CUDA has it")
CLOSE = {"float64": (1e-9, 1e-11), "float32": (1e-3, 1e-4), "tf32": (0.1, 3e-2), "bfloat16": (0.3, 0.2)}  # relative, absolute
COARSE = ["float64", "float32", pytest.param("tf32", marks=cuda_only), "bfloat16"]


def changes(case, engine_of, examples=6):
    """The changes in loss at every site of a case, on the CPU in float64."""
    batch = next(case.batches(case.train, range(examples), examples))
    engine = engine_of(case)
    return {site.name: engine(site, batch).cpu().double() for site in case.sites}


def assert_close(found, expected, precision):
    assert found.keys() == expected.keys()
    relative, absolute = CLOSE[precision]
    for site in expected:
        torch.testing.assert_close(found[site], expected[site], rtol=relative, atol=absolute, equal_nan=True)


@pytest.mark.parametrize("precision", COARSE)
@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("engine", ["literal", "replay"])
def test_an_engine_measures_what_the_cpu_does(name, precision, engine):
    case = toy_case(name)
    engine_of = Replay if engine == "replay" else lambda case: partial(literal, case)
    found = changes(case.to(THERE, precision), engine_of)
    assert_close(found, changes(case, lambda case: partial(literal, case)), precision)


@pytest.mark.parametrize("name", TOYS)
def test_every_way_of_replay_is_literal(name):
    case = toy_case(name).to(THERE, "float64")
    batch = next(case.batches(case.train, range(6), 6))
    for site in case.sites:
        expected = literal(case, site, batch)
        for found in every_way(case, Replay(case, fold=4), site, batch):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["plain", "residual", "clips"])
def test_an_estimated_oracle_measures_exactly_what_it_measures(name):
    whole = measure(toy_case(name, 24), partial(literal, toy_case(name, 24)), range(12), 5)
    there = toy_case(name, 24).to(THERE, "float64")
    some = Sampling(there, Replay(there), range(12), 5).run(Goal(0.3))
    assert 0.2 < some.share < 0.4
    for site in there.sites:
        known = torch.from_numpy(some.measured[site.name])
        torch.testing.assert_close(
            some.oracle.changes[site.name][known], whole.changes[site.name][known], rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("name", TOYS)
def test_every_criterion_scores_as_on_the_cpu(name):
    here = toy_case(name)
    chosen = [criterion for criterion in choose_criteria(["all"]) if not criterion.order]
    missing = unavailable(here, needs_of(chosen))
    fit = [criterion for criterion in chosen if not criterion.needs & missing.keys()]
    expected, found = (collect(case, range(10), 4, needs_of(fit), "t") for case in (here, here.to(THERE, "float64")))
    for criterion in fit:
        for site in expected:
            one, other = criterion(expected[site]).double(), criterion(found[site]).cpu().double()
            assert np.allclose(one, other, rtol=1e-5, atol=1e-8, equal_nan=True), criterion.name


def test_the_gesture_network_with_its_recurrent_layer():
    whole = load("r3dcnn-gestures", 0)
    few = dataclasses.replace(whole, sites=whole.sites[-2:])
    found = changes(few.to(THERE, "float32"), Replay)
    assert_close(found, changes(few.to(HERE, "float64"), Replay), "float32")


def test_a_killed_pruning_run_is_taken_up_on_the_other_device(tmp_path):
    settings = PruningSettings(remove=2, updates=2, rate=0.01, batch=4, target=Target("maps", 0.5), flops_lambda=0.0)
    taylor, keeper = choose_criteria(["taylor"])[0], StateFile(tmp_path / "a.state", {"a": 1}, seconds=0.0)
    seen = []

    def kill(state):
        keeper(state)
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    def case_on(device):
        return toy_case("residual", 24, "float32").to(device, "float32")

    whole = Loop(start(case_on(HERE)), settings, taylor, lambda state: None).run()
    with pytest.raises(KeyboardInterrupt):
        Loop(start(case_on(THERE)), settings, taylor, kill).run()
    found = Loop(keeper.found(case_on(HERE)), settings, taylor, lambda state: None).run()
    assert [site.maps for site in found.pruned.case.sites] == [site.maps for site in whole.pruned.case.sites]
    for name, tensor in whole.pruned.case.model.state_dict().items():
        torch.testing.assert_close(found.pruned.case.model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


@cuda_only
def test_too_little_memory_for_real_halves_the_removals(caplog):
    whole = toy_case("plain", 24, "float32")
    expected = changes(whole.to(THERE, "float32"), Replay, 20)
    torch.cuda.empty_cache()
    case, total = whole.to(THERE, "float32"), torch.cuda.get_device_properties(0).total_memory
    big = copy.deepcopy(next(case.batches(case.train, range(20), 20)))
    wide = torch.nn.functional.interpolate(big.inputs, scale_factor=32)
    try:
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 48 * 2**20) / total)
        engine = Replay(case, held=2**40, fold=512)
        for site in case.sites:
            engine(site, type(big)(wide, big.labels))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory" in caplog.text
    assert_close(changes(case, Replay, 20), expected, "float32")


@cuda_only
@pytest.mark.parametrize("limit", [2**28, 2**30])
def test_the_memory_limit_holds(limit):
    case = load("vgg-digits", 0).to(THERE, "float32")
    batch = next(case.batches(case.train, range(64), 64))
    memory.forget_peak(case.device)
    before, engine = memory.peak(case.device), Replay(case, limit)
    for site in case.sites:
        engine(site, batch)
    assert memory.peak(case.device) - before < 1.5 * limit


@cuda_only
def test_tf32_rounds_and_float32_does_not():
    case = load("vgg-digits", 0)
    few = dataclasses.replace(case, sites=case.sites[6:7])
    exact = changes(few.to(HERE, "float64"), Replay, 32)
    gaps = {}
    for precision in ("tf32", "float32"):
        found = changes(few.to(THERE, precision), Replay, 32)
        gaps[precision] = max(float((found[site] - exact[site]).abs().max()) for site in exact)
    assert gaps["float32"] < 1e-3
    assert gaps["float32"] < gaps["tf32"]


def test_auto_is_the_gpu_and_it_has_a_name_and_a_memory():
    there = choose_device("auto")
    assert there.type == torch.device(THERE).type
    assert device_name(there)
    assert memory.default_memory(there) == (total_memory(there) or 0) // 2
