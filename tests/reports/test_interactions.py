"""Interactions of pairs: totals by the drawing design, what explains random sets, and grades of a guess: by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pruning_oracle.oracle.sets.pairs import draw_pairs
from pruning_oracle.reports.sets.interactions import (
    Pairs,
    adding_table,
    drawn_total,
    grades,
    interaction_table,
    site_means,
    total,
    weighted_spearman,
)

RANDOM = np.random.default_rng(0)


def test_the_total_is_unbiased_and_its_error_right():
    """Sizes drive the probabilities but for a factor, as in a draw; a fixed number of pairs is drawn, as `draw_pairs` does."""
    random, sites = np.random.default_rng(0), np.repeat(np.arange(5), 8)
    size = np.exp(random.normal(0, 1, (40, 40)))
    size += size.T
    values = size * random.normal(1, 0.7, (40, 40))
    values += values.T
    whole = values[np.triu_indices(40, 1)].sum()
    found = []
    for seed in range(400):
        drawn = draw_pairs(sites, size, 120, seed)
        names = [(str(sites[i]), i, str(sites[j]), j) for i, j in zip(drawn.first, drawn.second, strict=True)]
        pairs = Pairs(names, drawn.probability, np.tile(values[drawn.first, drawn.second], (3, 1)))
        found.append(drawn_total(pairs, 0))
    estimates, errors = np.array(found).T
    assert estimates.mean() == pytest.approx(whole, abs=4 * estimates.std() / 20)
    assert np.sqrt((errors**2).mean()) == pytest.approx(estimates.std(), rel=0.15)
    assert 0.9 < (np.abs(estimates - whole) < 1.96 * errors).mean() < 0.99


def test_pairs_that_are_sure_have_no_error():
    assert total(np.array([1.0, -3.0]), np.ones(2)) == (-2.0, 0.0)
    assert np.isnan(total(np.array([1.0]), np.array([0.5]))[1]), "one pair says nothing of how pairs differ"


def some_pairs(examples=200):
    maps = [("a", 0, "a", 1), ("a", 0, "b", 0), ("a", 1, "b", 0), ("b", 0, "b", 1)]
    noise = RANDOM.normal(0, 0.5, (examples, 4))
    return Pairs(maps, np.array([1.0, 0.5, 0.25, 1.0]), np.array([1.0, -2.0, 4.0, 0.0]) + noise - noise.mean(0))


def test_the_table_and_the_means_of_sites():
    pairs = some_pairs()
    table = interaction_table(pairs, np.array([1.0, 2.0, 3.0, 4.0]), 0)
    assert table.columns.tolist() == [
        *("site_a", "map_a", "site_b", "map_b", "probability", "interaction", "low", "high", "n", "curvature")
    ]
    np.testing.assert_allclose(table.interaction, [1, -2, 4, 0], atol=1e-12)
    assert ((table.low < table.interaction) & (table.interaction < table.high)).all()
    assert (table.n == 200).all()
    signed, magnitude = (site_means(table, ["a", "b", "c"], of) for of in (False, True))
    assert signed.loc["a", "b"] == pytest.approx((-2 * 2 + 4 * 4) / 6)
    assert magnitude.loc["a", "b"] == pytest.approx((2 * 2 + 4 * 4) / 6)
    assert signed.loc["b", "a"] == signed.loc["a", "b"]
    assert np.isnan(signed.loc["c", "c"])


def test_pairs_explain_what_a_second_order_loss_costs():
    """Ten maps whose joint loss is the sum of singles and pairs, all pairs known: nothing is left to more maps together."""
    random = np.random.default_rng(0)
    single, curved = random.random(10), np.triu(random.random((10, 10)), 1)
    first, second = np.triu_indices(10, 1)
    names = [(str(i), 0, str(j), 0) for i, j in zip(first, second, strict=True)]
    pairs = Pairs(names, np.ones(45), np.tile(curved[first, second], (4, 1)))
    sets = [random.permutation(10)[:4] for _ in range(3000)]
    joint = np.array([single[one].sum() + curved[np.ix_(one, one)].sum() for one in sets])
    table = adding_table({0.4: np.tile(joint, (4, 1))}, np.tile(single, (4, 1)), pairs, {0.4: 4}, 0)
    row = table.iloc[0]
    assert (row.sets, row.maps, row.n) == (3000, 4, 4)
    assert row.singles == pytest.approx(0.4 * single.sum())
    assert row.pairs == pytest.approx(curved.sum() * 4 * 3 / 90)
    assert row.higher == pytest.approx(row.joint_loss - row.singles - row.pairs)
    assert row.higher_low < 0 < row.higher_high
    assert row.higher_high - row.higher_low < 0.1


def test_grades_are_spearmans():
    one, other = RANDOM.random(40), RANDOM.random(40)
    assert weighted_spearman(one, other, np.ones(40)) == pytest.approx(spearmanr(one, other).statistic)
    times = RANDOM.integers(1, 4, 40)
    repeated = spearmanr(np.repeat(one, times), np.repeat(other, times)).statistic
    assert weighted_spearman(one, other, times) == pytest.approx(repeated), "a weight is how often a pair counts"
    assert np.isnan(weighted_spearman(one, np.ones(40), np.ones(40)))


def test_a_guess_is_graded_within_and_across_sites():
    random = np.random.default_rng(2)
    names = [("a", i, "a" if i % 2 else "b", 100 + i) for i in range(120)]
    truth = random.normal(0, 1, 120)
    pairs = Pairs(names, random.uniform(0.2, 1, 120), truth + random.normal(0, 0.3, (50, 120)))
    guess = np.where(np.arange(120) % 2, truth, -truth)
    table = grades(pairs, guess, 0).set_index("pairs")
    assert table.loc["within", "spearman"] > 0.9
    assert table.loc["across", "spearman"] < -0.9
    assert abs(table.loc["all", "spearman"]) < 0.4
    assert (table.low <= table.spearman).all()
    assert (table.spearman <= table.high).all()
    assert table.drawn.tolist() == [60, 60, 120]
    rare = np.where(np.arange(120) < 40, 0.01, 1.0)  # 40 pairs that stand for a hundred each, which the guess has right
    weighty = grades(Pairs(names, rare, pairs.interaction), np.where(np.arange(120) < 40, truth, -truth), 0)
    assert weighty.spearman.min() > 0.8
    few = Pairs(names[:2], np.ones(2), pairs.interaction[:, :2])
    assert grades(few, guess[:2], 0).empty
