"""The estimated oracle: what is measured is exact, what is not is estimated without bias, and intervals hold what they say."""

import dataclasses
import logging
import math
from functools import partial

import numpy as np
import pytest
import torch
from engines import engine_of
from scipy import stats
from toys import TOYS, toy_case
from unfinished import unfinished

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.predict import first_order_moves, predict
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.traced import Traced
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.resume import Units


def sampled(case, count, goal, size=5, units=None):
    engine = Replay(case, choices=units.choices if units else None)
    return Sampling(case, engine, range(count), size, units).run(goal)


@pytest.mark.parametrize("name", TOYS)
def test_any_pairs_are_measured_as_literally(name):
    case = toy_case(name)
    batch = next(case.batches(case.train, range(6), 6))
    engine, random = Replay(case, fold=4), np.random.default_rng(0)
    for site in case.sites:
        expected = literal(case, site, batch)
        alive = engine.alive(site, batch)
        assert float(expected[~alive].abs().sum()) == 0
        chosen = torch.from_numpy(random.random((6, site.maps)) < 0.4)
        maps, examples = chosen.T.nonzero(as_tuple=True)
        torch.testing.assert_close(engine.pairs(site, batch, examples, maps), expected[examples, maps], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_a_coarser_precision_estimates_the_same_oracle(precision, most):
    exact = sampled(toy_case("residual", 24), 12, Goal(0.3))
    coarse = sampled(toy_case("residual", 24, precision), 12, Goal(0.3))
    for site in toy_case("residual").sites:
        both = exact.measured[site.name] & coarse.measured[site.name]
        assert both.any()
        changes = [found.oracle.changes[site.name].double().numpy()[both] for found in (exact, coarse)]
        np.testing.assert_allclose(*changes, atol=most)
        shrunk = [found.estimates[site.name].shrunk for found in (exact, coarse)]
        np.testing.assert_allclose(*shrunk, atol=most)


@pytest.mark.parametrize("name", ["plain", "residual", "clips"])
def test_what_is_measured_is_exact_and_all_of_it_is_the_oracle(name):
    case = toy_case(name, 24)
    whole = measure(case, partial(literal, case), range(12), 5)
    some = sampled(case, 12, Goal(0.3))
    assert 0.2 < some.share < 0.4
    every = sampled(case, 12, Goal(quality="width", value=1e-12))
    for site in case.sites:
        known = torch.from_numpy(some.measured[site.name])
        assert not bool(known.all())
        torch.testing.assert_close(
            some.oracle.changes[site.name][known], whole.changes[site.name][known], rtol=1e-9, atol=1e-12
        )
        torch.testing.assert_close(every.oracle.changes[site.name], whole.changes[site.name], rtol=1e-9, atol=1e-12)
        found = every.estimates[site.name]
        np.testing.assert_allclose(found.unbiased, whole.changes[site.name].mean(0).numpy(), rtol=1e-9, atol=1e-12)
        assert found.error.max() == found.shrunk_error.max() == 0
    assert every.reached == 0
    torch.testing.assert_close(some.oracle.kept, whole.kept)
    assert torch.equal(some.oracle.labels, whole.labels)


def test_the_odds_move_as_the_loss_does():
    """To first order the change is minus the gradient at the gate; a large step shows how the softmax bends."""
    case = toy_case("plain", 24)
    batch = next(case.batches(case.train, range(6), 6))
    found = first_order_moves(case, batch, list(range(6)))
    assert np.isfinite(found["odds"]).all()
    np.testing.assert_allclose(np.logaddexp(0, found["odds"]), case.losses(batch).detach().numpy(), rtol=1e-9)
    site = case.sites[0]
    moved, odds, none = found[f"moves/{site.name}"], found["odds"], np.zeros((6, site.maps), bool)
    small = predict(1e-6 * moved, odds, none).predicted / 1e-6
    other = dataclasses.replace(case, loss=lambda output, labels: 2 * case.loss(output, labels))
    plain = first_order_moves(other, batch, list(range(6)))
    assert np.isnan(plain["odds"]).all()
    np.testing.assert_allclose(2 * small, plain[f"moves/{site.name}"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(predict(plain[f"moves/{site.name}"], plain["odds"], none).predicted, plain[f"moves/{site.name}"])
    far = predict(np.full((6, site.maps), 5.0), odds, none).predicted
    np.testing.assert_allclose(far, (np.logaddexp(0, odds + 5) - np.logaddexp(0, odds))[:, None] * np.ones(site.maps))
    known = none.copy()
    known[2, 1] = True
    assert predict(moved, odds, known).predicted[2, 1] == predict(moved, odds, known).size[2, 1] == 0


@pytest.mark.parametrize("goal", [Goal(0.4), Goal(quality="spearman", value=0.9999), Goal(seconds=60.0)])
def test_a_killed_estimate_goes_on_to_the_same_bits(tmp_path, goal):
    case, out = toy_case("residual", 24), tmp_path / "oracle.safetensors"
    chosen = dict(engine_of(case).choices)
    with Units(tmp_path / "whole.safetensors", {"a": 1}).hold() as units:
        units.choices |= chosen
        whole = sampled(case, 12, goal, units=units)
    for kill in (1, 4, 6):
        with unfinished(out, {"a": 1}) as units:
            units.choices |= chosen
            asked, put = 0, units.put

            def killed(name, arrays, put=put, kill=kill):
                nonlocal asked
                asked += 1
                if asked > kill:
                    raise KeyboardInterrupt
                put(name, arrays)

            units.put = killed
            with pytest.raises(KeyboardInterrupt):
                sampled(case, 12, goal, units=units)
    with Units(out, {"a": 1}).hold() as units:
        again = sampled(case, 12, goal, units=units)
    if goal.seconds == math.inf:
        for name, change in whole.oracle.changes.items():
            assert torch.equal(again.oracle.changes[name], change)
    assert again.share > 0


def test_as_many_blocks_as_memory_holds_pass_the_network_once(monkeypatch):
    case = toy_case("plain")
    each, passed, found = memory.activations(case), [], []
    monkeypatch.setattr(Traced, "keep", lambda self, batch, keep=Traced.keep: passed.append(batch) or keep(self, batch))
    for held, staying in ((2**30, 3), (20 * each, 1), (4 * each, 0)):
        passed.clear()
        engine = Replay(case, held)
        found.append(Sampling(case, engine, range(12), 5).run(Goal(0.5)))
        assert len(passed) == 3 + (3 - staying) * found[-1].rounds
        assert not engine.staying
        assert not engine.stayed
        for name, measured in found[0].measured.items():
            np.testing.assert_array_equal(found[-1].measured[name], measured)
            np.testing.assert_allclose(found[-1].oracle.changes[name], found[0].oracle.changes[name], rtol=1e-5, atol=1e-7)
    assert found[0].rounds > 1


class Flat(torch.nn.Module):
    """A step without a slope between its maps and its scores."""

    def __init__(self):
        super().__init__()
        self.conv, self.read = torch.nn.Conv2d(2, 5, 3), torch.nn.Linear(5, 3)

    def forward(self, images):
        return self.read(self.conv(images).relu().mean((2, 3)).detach())


def test_without_a_slope_pairs_are_drawn_plainly(caplog):
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(24, 2, 5, 5), torch.arange(24) % 3)
    case = assemble(Flat().eval().requires_grad_(False), data, data)
    with caplog.at_level(logging.WARNING, "oracle"):
        found = sampled(case, 12, Goal(0.5))
    assert "pairs are drawn plainly at conv, where gates carry no gradient" in caplog.text
    whole = measure(case, partial(literal, case), range(12), 5)
    known = torch.from_numpy(found.measured["conv"])
    torch.testing.assert_close(found.oracle.changes["conv"][known], whole.changes["conv"][known], atol=1e-6, rtol=1e-4)


def test_a_loss_that_is_not_finite_is_named():
    case = toy_case("plain")

    def broken(output, labels):
        return torch.nn.functional.cross_entropy(output, labels, reduction="none") * torch.nan

    with pytest.raises(BadInput, match="the loss is nan with every map kept, on training example 0"):
        sampled(dataclasses.replace(case, loss=broken), 12, Goal(0.5))


def test_a_gradient_that_is_not_finite_is_named():
    case = toy_case("plain", 24)
    loss = case.loss
    broken = dataclasses.replace(case, loss=lambda output, labels: loss(output, labels) + torch.sqrt(output[:, 0] * 0))
    with pytest.raises(BadInput, match=r"the gradient at the gate of map \d of site '.*' is nan on training example 0"):
        sampled(broken, 12, Goal(0.5))


@pytest.mark.parametrize(
    ("budget", "until", "said"),
    [
        ("0", None, "--budget is '0'; allowed is a share of the pairs above 0 and up to 1"),
        ("1.5", None, "--budget is '1.5'"),
        ("-1s", None, "--budget is '-1s'"),
        ("many", None, "--budget is 'many'"),
        (None, "spearman=2", "--until spearman=2: allowed is a correlation between 0 and 1"),
        (None, "width=x", "--until width=x: allowed is a positive number of nats"),
        (None, "size=1", "unknown --until 'size': choose from spearman, width"),
    ],
)
def test_a_goal_that_is_none(budget, until, said):
    with pytest.raises(BadInput, match=said.replace("(", r"\(")):
        Goal.parse(budget, until)


def test_a_budget_below_one_pair_per_map_is_refused():
    with pytest.raises(BadInput, match=r"a budget of 0\.01 is 1 pairs for 9 maps; give at least one for each, --budget 0\.083"):
        sampled(toy_case("plain", 24), 12, Goal(0.01))


def test_goals():
    assert Goal.parse(None, None).exact
    assert Goal.parse("1", None).exact
    assert not Goal.parse("60s", None).exact
    assert Goal.parse("0.05", "spearman=0.9") == Goal(0.05, math.inf, "spearman", 0.9)
    assert str(Goal.parse("0.05", "spearman=0.9")) == "budget 0.05, spearman=0.9"
    assert sum(Goal(0.1).pairs(step, 0, 1000, 10, 0.0) for step in range(6)) == pytest.approx(100)
    assert stats.norm.cdf(0) == 0.5
