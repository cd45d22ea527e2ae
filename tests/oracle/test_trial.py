"""Estimated oracles of a real network against its whole one: each ingredient pays, and intervals and promises hold."""

import dataclasses

import numpy as np
import pytest
from engines import engine_of

from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.estimated.goal import Goal, likely_spearman
from pruning_oracle.oracle.estimated.predict import predict
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.trial.coverage import coverage, least_covered, promises
from pruning_oracle.oracle.trial.ingredients import INGREDIENTS, steps_with
from pruning_oracle.oracle.trial.recorded import agreement_of_estimates, agreement_with_whole, recorded


@pytest.fixture(scope="module")
def whole_oracle():
    """A real network's whole oracle and what is seen of it at first."""
    case = load("vgg-digits", 0)
    rows = case.split(160)[0]
    oracle = measure(case, engine_of(case), rows, 80)
    first = Sampling(case, engine_of(case), rows, 80).look()
    return case, rows, first, {name: change.double().numpy() for name, change in oracle.changes.items()}


def test_on_a_real_network_each_ingredient_pays(whole_oracle):
    case, _, first, whole = whole_oracle
    reached = {}
    for name, used in INGREDIENTS.items():
        runs = [
            recorded(dataclasses.replace(case, seed=seed), first, whole, used).run(Goal(0.05, rounds=used.rounds))
            for seed in (0, 1, 2)
        ]
        reached[name] = np.mean([agreement_of_estimates(found.estimates, used.kind, whole)[0] for found in runs])
    assert reached["plain subsample"] < reached["+ control variate"] < reached["+ shrunk"]
    assert reached["+ shrunk"] > 0.97
    assert all(abs(found.share - 0.05) < 0.005 for found in runs)


@pytest.mark.parametrize("name", INGREDIENTS)
def test_what_is_left_out_is_not_used(whole_oracle, name):
    case, _, first, _ = whole_oracle
    used = INGREDIENTS[name]
    for sample in steps_with(used).samples(case, first):
        assert bool(sample.prediction.predicted.any()) == used.slopes
        assert bool(np.ptp(sample.prediction.size[~sample.known])) == used.sizes


def test_the_least_covered_tenth_is_counted_in_other_runs_too():
    held = np.ones((4, 20), bool)
    held[:, 0] = False  # in every run
    held[0, 1] = held[1, 2] = False  # by chance, in one half of the runs each
    chosen, unchosen = least_covered(held)
    assert chosen == pytest.approx((0 + 0.75) / 2)
    assert unchosen == pytest.approx(((0 + 1) / 2 + (0 + 1) / 2) / 2)
    chosen, unchosen = least_covered(np.random.default_rng(0).random((200, 4000)) < 0.95)
    assert chosen == pytest.approx(0.922, abs=0.001)
    assert unchosen == pytest.approx(0.95, abs=0.002)


@pytest.mark.slow
def test_on_a_real_network_intervals_hold_and_promises_are_kept(whole_oracle):
    case, _, first, whole = whole_oracle
    found = coverage(case, first, whole, 60, 0.1)
    assert 0.92 < found["mean"] < 0.98
    assert found["bias, root mean square of z"] < 1.3
    kept = list(promises(case, first, whole, 12))
    assert all(row["kept"] >= 0.8 for row in kept)
    assert kept[0]["share"] < kept[-1]["share"] < 0.3


@pytest.mark.parametrize("name", INGREDIENTS)
def test_a_part_of_the_method_really_measures_what_is_recorded_of_it(whole_oracle, name, monkeypatch):
    case, rows, first, whole = whole_oracle
    used = INGREDIENTS[name]
    if not used.slopes:
        monkeypatch.setattr("pruning_oracle.oracle.trial.ingredients.first_order_moves", None)  # it takes no backward pass
    real = Sampling(case, engine_of(case), rows, 80, steps=steps_with(used)).run(Goal(0.05, rounds=used.rounds))
    again = recorded(case, first, whole, used).run(Goal(0.05, rounds=used.rounds))
    for site in whole:
        assert real.measured[site][~first[f"alive/{site}"]].all()  # known to change nothing
        assert (real.measured[site] == again.measured[site]).mean() > 0.999
        estimate = getattr(again.estimates[site], used.kind)
        np.testing.assert_allclose(getattr(real.estimates[site], used.kind), estimate, rtol=0.02, atol=1e-5)


def test_an_estimate_does_not_favour_what_resembles_its_own_prediction(whole_oracle):
    """A criterion of the first order agrees with the estimate about as much as with the whole oracle."""
    case, _, first, whole = whole_oracle
    guess, favoured = {}, []
    for name in whole:
        guess[name] = predict(first[f"moves/{name}"], first["odds"], ~first[f"alive/{name}"]).predicted.mean(0)
    for seed in range(10):
        found = recorded(dataclasses.replace(case, seed=seed), first, whole).run(Goal(0.05)).estimates
        estimate = {name: part.shrunk[None] for name, part in found.items()}
        favoured.append(agreement_with_whole(guess, estimate)[0] - agreement_with_whole(guess, whole)[0])
    assert abs(np.mean(favoured)) < 0.03


def test_a_spearman_is_likely_as_far_as_errors_allow(whole_oracle):
    case, _, first, whole = whole_oracle
    few, more = (recorded(case, first, whole).run(Goal(share)).estimates for share in (0.02, 0.2))
    assert likely_spearman(list(few.values()), 0) < likely_spearman(list(more.values()), 0) < 1
