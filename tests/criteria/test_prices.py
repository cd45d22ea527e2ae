"""What a criterion costs: a part that is spent once and a part for every example, told apart and stated for the run's own."""

import time

import pytest
import torch
from commands import command
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.criteria.cost import Price, Timed, measure_costs, through
from pruning_oracle.criteria.criterion import CRITERIA, Criterion, choose_criteria, mean, needs_of
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.room import room_for
from pruning_oracle.criteria.evidence.source import Source, sources


def priced(case, names, examples):
    chosen = choose_criteria(names)
    timed, room = Timed(examples), room_for(case, needs_of(chosen), examples, 2**32)
    evidence = collect(case, range(examples), 16, needs_of(chosen), "test", seconds=timed.sources)
    for criterion in chosen:
        for seen in evidence.values():
            with timed.scoring(criterion):
                criterion(seen)
    return measure_costs(case, chosen, range(examples), 16, timed, room)


def test_costs_are_parts_spent_once_and_for_every_example():
    case = toy_case("plain", examples=64)
    names = ["random", "taylor", "path", "consumer_l2", "geometric_median"]
    found, forward = priced(case, names, 64)
    assert set(found) == set(names)
    assert all(price.once >= 0 and price.each >= 0 for price in found.values())
    assert forward > 0
    assert found["random"].each == found["geometric_median"].each == 0
    assert found["path"].seconds(10**6) == found["path"].seconds(128)


def test_work_that_does_not_grow_with_the_examples_is_not_priced_by_the_example(monkeypatch):
    """On a clock that is moved by a source that takes 50 ms for any number of examples, and by one that takes 2 ms for each."""
    passed, real = [0.0], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() / 1e3 + passed[0])

    def fixed(case, rows, size):
        passed[0] += 0.05
        return {site.name: torch.ones(1, site.maps) for site in case.sites}

    def growing(case, rows, size):
        passed[0] += 0.002 * len(rows)
        return {site.name: torch.ones(len(rows), site.maps) for site in case.sites}

    for name, gather in (("fixed_evidence", fixed), ("growing_evidence", growing)):
        monkeypatch.setitem(sources(), name, Source(gather, lambda case: "", None, 1.0, 0, False))
        own = Criterion(name, lambda site, name=name: getattr(site, name), frozenset({name}), mean, "none", "test")
        monkeypatch.setitem(CRITERIA, name, own)
    found, _ = priced(toy_case("plain", examples=64), ["fixed_evidence", "growing_evidence"], 64)
    assert found["fixed_evidence"].seconds(64) == pytest.approx(0.05, rel=0.1)
    assert found["fixed_evidence"].seconds(640) == pytest.approx(0.05, rel=0.1)
    assert found["growing_evidence"].seconds(64) == pytest.approx(0.128, rel=0.1)
    assert found["growing_evidence"].each == pytest.approx(0.002, rel=0.1)


def test_passes_of_a_slow_network_are_priced_by_the_example(monkeypatch):
    """On a clock that a pass moves by 20 ms an example, so that few examples fit into the time of the larger timing."""
    passed, real = [0.0], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() / 1e3 + passed[0])
    case = toy_case("plain", examples=64)

    def slowly(module, inputs):
        passed[0] += 0.02 * len(inputs[0])

    case.model.register_forward_pre_hook(slowly)
    found, forward = priced(case, ["taylor", "activation_mean"], 64)
    assert forward == pytest.approx(0.02, rel=0.1)
    for price in found.values():
        assert price.seconds(64) / (64 * forward) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("few", "many", "once", "each"), [((8, 3.0), (32, 9.0), 1.0, 0.25), ((8, 5.0), (32, 4.0), 4.0, 0.0)])
def test_a_price_goes_through_two_timings(few, many, once, each):
    found = through(few, many)
    assert (found.once, found.each) == (once, each)
    assert found.seconds(32) == many[1]
    assert Price(1.0, 0.5, 64).seconds(100) == 33


def test_a_run_states_the_price_for_its_own_examples(tmp_path):
    done = command("criteria", "resnet-digits", "--examples", "20", "--criteria", "consumer_l2", "taylor", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = runs.load(tmp_path / "runs/resnet-digits/0/criteria.safetensors", "criteria").facts
    forward = facts["forward seconds per example"] * 20
    for own in facts["criteria"].values():
        seconds = own["seconds once"] + own["seconds per example"] * min(20, own["examples at most"] or 20)
        assert own["forward passes"] == pytest.approx(seconds / forward)
    assert facts["criteria"]["taylor"]["order"] == ""
