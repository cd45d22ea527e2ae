"""Two runs give the same bits: nothing in an exact oracle is chosen by the clock."""

import itertools
import time

import pytest
import torch
from hard_networks import Net, case_of, shuffled
from torch import nn
from toys import TOYS, toy_case

from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.exact import choices
from pruning_oracle.oracle.exact.removals import one_map_each
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure


def oracle(case, clock, monkeypatch):
    """The oracle of a case, measured while each look at the clock shows the next of these seconds."""
    seconds = itertools.accumulate(itertools.chain(clock, itertools.repeat(clock[-1])))
    monkeypatch.setattr(time, "perf_counter", lambda: next(seconds))
    engine = Replay(case)
    changes = measure(case, engine, range(8), 8).changes
    monkeypatch.undo()
    return changes, dict(engine.choices)


@pytest.mark.parametrize("name", [*TOYS, "shuffled"])
def test_the_clock_changes_no_bit(name, monkeypatch):
    """What is tried first seems slow in one run and fast in the other."""
    case = case_of(Net(shuffled)) if name == "shuffled" else toy_case(name)
    slower, faster = ([float(2 ** (sign * place // 2)) for place in range(100)] for sign in (1, -1))
    case = case.to("cpu", "float32")
    (first, chosen), (second, again) = oracle(case, slower, monkeypatch), oracle(case, faster, monkeypatch)
    assert chosen == again
    assert all(torch.equal(first[site], second[site]) for site in first)


def test_the_linear_step_is_taken_where_it_saves_more_than_it_costs():
    layer, few = nn.Conv2d(32, 16, 3, padding=1), torch.zeros(4, 16, 2, 2)
    assert choices.WORTH["cpu"] <= 16 * 32 * 9 * 4
    assert choices.worth_a_linear_step(layer, few, 4)
    assert not choices.worth_a_linear_step(layer, few[:1], 4)  # as if a quarter of the positions
    assert not choices.worth_a_linear_step(layer, few.to("meta"), 4)  # a GPU computes it faster than it starts a call
    assert choices.worth_a_linear_step(layer, torch.zeros(4, 16, 64, 64, device="meta"), 4)


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_the_shipped_networks_keep_their_linear_steps(name):
    """Timed on one core, it was never slower there by more than 8 per cent, and faster by up to 180."""
    case = load(name, 0)
    engine = Replay(case)
    batch = next(case.batches(case.train, range(2), 2))
    engine.alive(case.sites[0], batch)
    for site in case.sites:
        engine.network.traced.prepare(one_map_each(case, site))
    ways = [engine.choices[site.name] for site in case.sites]
    assert engine.choices["memory format"] == "channels last"
    assert ways[:-1] == ["linear step"] * (len(ways) - 1)


@pytest.mark.parametrize(
    ("kind", "precision", "expected"),
    [
        ("cpu", "float32", "channels last"),
        ("cpu", "bfloat16", "channels last"),
        ("cpu", "float64", "contiguous"),
        ("cuda", "float32", "contiguous"),
        ("cuda", "tf32", "channels last"),
    ],
)
def test_the_memory_format_has_a_rule(kind, precision, expected):
    assert choices.memory_format(torch.device(kind), precision) == expected
