"""On a device of its own, every engine and the estimated oracle measure what they do on the CPU, and bear a lack of memory."""

import dataclasses
import math

import pytest
import torch
from every_way import every_way
from networks import own_case
from random_sets import sets_of_every_kind
from standin import DRIVER
from toys import TOYS, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.sets.literal import literal as set_literal
from pruning_oracle.oracle.sets.replay import ReplaySets


def both(case, precision="float64"):
    """The same case on the CPU and on the stand-in."""
    return case.to("cpu", precision), case.to("standin", precision)


def engine_of(case, fold=None):
    """A replay engine whose choices are fixed, so that two of them round alike."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=Choices(chosen)) if fold is None else Replay(case, fold=fold, choices=Choices(chosen))


def assert_same(found, expected, name, precision="float64"):
    """To the bit; but torch adds the biases of a GRU's cell in another order on every device but the CPU."""
    close = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 1e-2}[precision] if name == "clips" else 0
    torch.testing.assert_close(found, expected, rtol=close, atol=close)


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", [*TOYS, "own gates"])
def test_engines_give_the_cpus_bits(name, precision):
    here, there = both(own_case() if name == "own gates" else toy_case(name), precision)
    batches = [next(case.batches(case.train, range(5), 5)) for case in (here, there)]
    for site in here.sites:
        expected, found = (literal(case, site, batch) for case, batch in zip((here, there), batches, strict=True))
        assert (found.device.type, expected.device.type) == ("standin", "cpu")
        assert_same(found.cpu(), expected, name, precision)
        expected, found = (
            every_way(case, Replay(case, fold=4), site, batch) for case, batch in zip((here, there), batches, strict=True)
        )
        for one, other in zip(found, expected, strict=False):
            close = {"rtol": 1e-9, "atol": 1e-12} if precision == "float64" else {"rtol": 0.1, "atol": 0.1}
            torch.testing.assert_close(one.cpu(), other, **close)


@pytest.mark.parametrize("name", TOYS)
def test_joint_losses_are_the_cpus(name):
    found = []
    for case in both(toy_case(name)):
        sets, batch = sets_of_every_kind(case), next(case.batches(case.train, range(5), 5))
        found += [ReplaySets(case, fold=4)(sets, batch).cpu(), set_literal(case, sets, batch).cpu()]
    for one in found[1:]:
        torch.testing.assert_close(one, found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TOYS)
def test_measured_oracles_give_the_cpus_bits(name):
    here, there = both(toy_case(name))
    expected, found = (measure(case, engine_of(case), range(12), 5) for case in (here, there))
    for site in here.sites:
        assert found.changes[site.name].device.type == "cpu"
        assert_same(found.changes[site.name], expected.changes[site.name], name)


@pytest.mark.parametrize("name", ["plain", "residual", "clips"])
def test_estimated_oracles_give_the_cpus_bits(name):
    here, there = both(toy_case(name, 24))
    expected, found = (Sampling(case, engine_of(case), range(12), 5).run(Goal(0.3)) for case in (here, there))
    assert found.share == expected.share
    for site in here.sites:
        assert (found.measured[site.name] == expected.measured[site.name]).all()
        assert_same(found.oracle.changes[site.name], expected.oracle.changes[site.name], name)


def test_the_gesture_network_with_its_recurrent_layer():
    whole = load("r3dcnn-gestures", 0)
    here, there = both(dataclasses.replace(whole, sites=whole.sites[-1:]), "float32")
    changes = []
    for case in (here, there):
        batch = next(case.batches(case.train, range(4), 4))
        changes.append(engine_of(case)(case.sites[0], batch).cpu())
        torch.testing.assert_close(changes[-1], literal(case, case.sites[0], batch).cpu(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        changes[1], changes[0], rtol=1e-4, atol=1e-5
    )  # the cell is another device's: it rounds otherwise


def test_too_little_memory_halves_the_removals_side_by_side(monkeypatch, caplog):
    here, there = both(toy_case("plain", 24))
    batches = [next(case.batches(case.train, range(20), 20)) for case in (here, there)]
    site = here.sites[0].name
    expected = engine_of(here)(here.site(site), batches[0])
    peaks = []
    for fold in (1, 1024):  # pairs side by side
        engine = engine_of(there)
        engine.fold = fold
        DRIVER.forget()
        engine(there.site(site), batches[1])
        peaks.append(DRIVER.peak)
    assert peaks[0] < peaks[1]
    engine = engine_of(there)
    monkeypatch.setattr(DRIVER, "total", sum(peaks) / 2)
    released = DRIVER.released
    found = engine(there.site(site), batches[1])
    assert "out of memory" in caplog.text
    assert DRIVER.released > released
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(DRIVER, "total", DRIVER.held + 1)
    with pytest.raises((BadInput, torch.OutOfMemoryError)):
        engine_of(there)(there.site(site), batches[1])


def test_a_mistake_that_mixes_devices_is_seen():
    there = both(toy_case("plain"))[1]
    with pytest.raises(RuntimeError, match="and on the CPU"):
        there.model(torch.zeros(1, 2, 8, 8, dtype=torch.float64))


def test_how_often_the_processor_waits_for_the_device(record_property):
    """A site of a few removals must not wait for each of them: at most eight times a site and batch, whatever its maps."""
    there = both(toy_case("plain", 24))[1]
    batch = next(there.batches(there.train, range(20), 20))
    engine = engine_of(there)
    for site in there.sites:
        engine(site, batch)
    before, sites = DRIVER.waits, len(there.sites)
    for site in there.sites:
        engine(site, batch)
    print(f"waits per site: {(DRIVER.waits - before) / sites}")
    assert math.isfinite(DRIVER.peak)
    assert (DRIVER.waits - before) / sites <= 8
