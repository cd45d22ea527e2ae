"""The parts of the estimated oracle: which pairs are drawn, and what drawn pairs say of the others."""

import dataclasses
import math

import numpy as np
import pytest

from pruning_oracle.oracle.estimated.draw import counts, open_ranks, probabilities, systematic
from pruning_oracle.oracle.estimated.estimate import CALIBRATED, PRIOR, Estimates, bent, estimates, filled, magnitudes, ratios
from pruning_oracle.oracle.estimated.goal import likely_spearman
from pruning_oracle.oracle.estimated.predict import predict
from pruning_oracle.oracle.estimated.rounds import choose_pairs
from pruning_oracle.oracle.estimated.site_sample import SiteSample


def test_probabilities_are_in_proportion_to_size_up_to_1():
    size = np.array([[1.0, 0.0], [2.0, 1.0], [7.0, 1.0]])
    np.testing.assert_allclose(probabilities(size, np.array([1, 1])), [[0.1, 0], [0.2, 0.5], [0.7, 0.5]])
    np.testing.assert_allclose(probabilities(size, np.array([2, 5])), [[1 / 3, 0], [2 / 3, 1], [1, 1]])


def test_pairs_are_drawn_as_often_as_their_probability_says():
    chance = probabilities(np.array([[1.0, 3.0], [2.0, 1.0], [7.0, 1.0], [3.0, 2.0]]), np.array([2, 3]))
    random = np.random.default_rng(0)
    drawn = np.array([systematic(chance, random) for _ in range(4000)])
    assert (drawn.sum(1) == [2, 3]).all()
    np.testing.assert_allclose(drawn.mean(0), chance, atol=4 * math.sqrt(0.25 / 4000))


def test_pairs_are_shared_out_with_no_map_beyond_its_room():
    random = np.random.default_rng(0)
    wanted, room = np.array([0.0, 1.0, 9.0, 0.0]), np.array([100, 100, 20, 0])
    every = np.array([counts(90.0, wanted, room, random) for _ in range(2000)])
    assert (every <= room).all()
    assert (every[:, 2] == 20).all()
    assert every.sum(1).mean() == pytest.approx(90, abs=0.1)
    assert every[:, 1].mean() > every[:, 0].mean() > 5
    few = counts(1.0, wanted, room, random)
    assert few.sum() == pytest.approx(1)
    assert (few[:3] > 0).all()


def test_effort_goes_where_the_ranking_is_open():
    estimate, error = np.array([0.0, 1.0, 1.01, -1.02, 5.0]), np.full(5, 0.02)
    open_ = open_ranks(estimate, error)
    assert open_[1:4].min() > 100 * open_[[0, 4]].max()


def test_a_map_on_which_nothing_depends_spoils_no_other():
    """Its gradient is 0, and what is measured of it no more than rounding: in a compressed network many are like that."""
    random, known = np.random.default_rng(0), np.zeros((60, 5), bool)
    moved = random.normal(0, 1, (60, 5)) * np.array([0, 1, 1, 1, 1])
    change = np.where(moved == 0, 1e-9 * random.normal(0, 1, (60, 5)), 1.5 * moved)
    sample = SiteSample(predict(moved, np.full(60, np.nan), known), known)
    sample.add(40.0, filled(sample), *sample.choose(np.full(5, 8), random), change)
    found = estimates(sample)
    assert np.isfinite(found.error).all()
    assert found.error[0] < 1e-3 * found.error[1:].min()
    assert (np.abs(found.unbiased - change.mean(0)) < 4 * found.error).all()


def test_later_rounds_measure_maps_whose_neighbours_are_near():
    sample = SiteSample(predict(None, np.zeros(200), np.zeros((200, 8), bool)), np.zeros((200, 8), bool))
    change = np.array([1.0, 1.01, 1.02, 1.03, 10, 20, 30, 40]) + 0.3 * np.random.default_rng(0).normal(0, 1, (200, 8))
    for step in (0, 1):
        ((chosen, chance),) = choose_pairs([sample], 160.0, 0, step)
        sample.add(160.0, filled(sample), chosen, chance, change)
        drawn = chosen.sum(0)
        assert np.ptp(drawn) <= 1 if step == 0 else drawn[:4].min() > 3 * drawn[4:].max()


def drawn(seed, examples=60, maps=8):
    """A site whose remainders are skewed and unlike what their sizes say, and a truth."""
    random = np.random.default_rng(seed)
    size = random.gamma(1.0, 1.0, (examples, maps)) + 0.05
    predicted = random.normal(0, 1, (examples, maps))
    change = predicted + size * (0.5 + random.gamma(1.0, 1.0, (examples, maps)) * random.uniform(0.5, 1.5, maps))
    return size, predicted, change


def test_estimates_are_unbiased_and_intervals_hold():
    size, predicted, change = drawn(0)
    off, held, shrunk, above = [], [], [], []
    for seed in range(600):
        random = np.random.default_rng([seed, 1])
        sample = SiteSample(predict(None, np.zeros(60), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
        sample.prediction = dataclasses.replace(sample.prediction, predicted=predicted, size=size)
        for each in (6, 9):
            chosen, chance = sample.choose(np.full(8, each), random)
            sample.add(float(each), filled(sample), chosen, chance, change)
        found = estimates(sample)
        off.append(found.unbiased - change.mean(0))
        held.append((found.low <= change.mean(0)) & (change.mean(0) <= found.high))
        above.append(change.mean(0) > found.high)
        shrunk.append(found.shrunk - change.mean(0))
        assert np.array_equal(filled(sample)[sample.known], change[sample.known])
    off = np.array(off)
    assert (np.abs(off.mean(0)) < 4 * off.std(0) / math.sqrt(len(off))).all()
    assert 0.93 < np.mean(held) < 0.98
    assert np.mean(held, 0).min() > 0.9
    assert np.mean(above) < 0.03  # a straight interval misses 4.6 % there: remainders have a long tail upwards
    assert (np.array(shrunk) ** 2).mean() < 1.1 * (off**2).mean()


def test_intervals_bend_towards_the_long_tail():
    reach, skew = np.array([2.0, -2.0]), np.array([0.5, 0.5])
    assert np.allclose(bent(reach, 0 * skew), reach, atol=1e-5)
    high, low = -bent(-reach, skew)[0], -bent(reach, skew)[0]
    assert high > 2 > -low
    least, most = magnitudes(np.array([-1.0, 1.0, -3.0]), np.array([2.0, 2.0, -1.0]))
    assert least.tolist() == [0, 1, 1]
    assert most.tolist() == [2, 2, 3]


@pytest.mark.parametrize(("tails", "least", "most"), [("normal", 0.8, 1.1), ("exponential", 0.25, 0.6), ("student", 0.05, 0.5)])
def test_long_tails_leave_few_degrees_of_freedom(tails, least, most):
    random, size = np.random.default_rng(0), np.ones((400, 40))
    draws = {"normal": random.standard_normal, "exponential": random.standard_exponential}
    change = draws.get(tails, lambda shape: random.standard_t(2.5, shape))(size.shape)
    sample = SiteSample(predict(None, np.zeros(400), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
    sample.add(1.0, filled(sample), *sample.choose(np.full(40, 50), random), change)
    share = ratios(sample).freedom / CALIBRATED / (49 + PRIOR)
    assert least < np.median(share) < most


def test_shapes_are_of_ratios_over_their_own_maps_deviation():
    """A map that varies five times as much makes no tail, and one with a tail keeps it to itself."""
    random, size = np.random.default_rng(0), np.ones((2000, 6))
    change = random.normal(0, 1, size.shape) * np.array([1, 1, 1, 1, 1, 5])
    sample = SiteSample(predict(None, np.zeros(2000), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
    sample.add(1.0, filled(sample), *sample.choose(np.full(6, 1000), random), change)
    assert np.allclose(ratios(sample).kurtosis, 3, atol=0.3)
    long = SiteSample(sample.prediction, np.zeros(size.shape, bool))
    change = np.where(np.arange(6) == 0, random.exponential(1, size.shape), random.normal(0, 1, size.shape))
    long.add(1.0, filled(long), *long.choose(np.full(6, 1000), random), change)
    found = ratios(long)
    assert found.kurtosis[0] > 6  # an exponential has 9
    assert found.kurtosis[1:].max() < 3.5
    assert 0.2 < found.skewness < 0.5  # a sixth of the pairs have one of 2


def test_few_degrees_of_freedom_promise_less():
    middle, one = np.arange(30.0), np.ones(30)
    sure, unsure = (Estimates(middle, one, middle, middle, middle, one, freedom * one) for freedom in (1e6, 1.5))
    assert likely_spearman([unsure], 0) < likely_spearman([sure], 0) - 0.01


def test_ratios_are_drawn_in_where_maps_do_not_differ():
    size = np.ones((40, 6))
    random = np.random.default_rng(0)
    for spread in (0.0, 5.0):
        sample = SiteSample(predict(None, np.zeros(40), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
        change = random.normal(0, 1, size.shape) + spread * np.arange(6)
        sample.add(1.0, filled(sample), *sample.choose(np.full(6, 10), random), change)
        mean = np.where(sample.drawn, change, 0).sum(0) / 10
        if spread:
            np.testing.assert_allclose(ratios(sample).mean, mean, rtol=0.02, atol=0.3)
        else:
            assert np.ptp(ratios(sample).mean) < 0.3 * np.ptp(mean)
