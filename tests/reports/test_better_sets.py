"""Shapley values, second-order sets, reductions of the oracle and the table of better sets: by hand and by enumeration."""

import itertools
import math

import numpy as np
import pytest

from pruning_oracle.bench.scores import mean, mean_abs
from pruning_oracle.reports.sets import better
from pruning_oracle.reports.sets.chosen import ChosenSet, lowest
from pruning_oracle.reports.sets.pairs import cheapest
from pruning_oracle.reports.sets.reductions import judges
from pruning_oracle.reports.sets.shapley import marginals, prefixes, shapley_table, values, walks

SIZES = {"a": 3, "b": 2}
GAME = {(): 0.0, (0,): 1.0, (1,): 2.0, (2,): 4.0, (0, 1): 2.0, (0, 2): 7.0, (1, 2): 6.0, (0, 1, 2): 9.0}


def joint_of(sets, noise=0.0):
    """The joint losses of sets of three maps, a 0, a 1 and b 0, on two examples: the game, and its double."""
    costs = [GAME[tuple(sorted(one.get("a", []) + [2 + index for index in one.get("b", [])]))] for one in sets]
    return np.array([costs, 2 * np.array(costs)])


def test_values_are_shapleys_by_enumeration_and_sum_to_the_joint_loss():
    orders = [list(order) for order in itertools.permutations([("a", 0), ("a", 1), ("b", 0)])]
    steps = marginals(joint_of(prefixes(orders)), orders, SIZES)
    found = values(steps)
    expected = []
    for one in range(3):
        others = [other for other in range(3) if other != one]
        value = 0.0
        for size in range(3):
            for some in itertools.combinations(others, size):
                weight = math.factorial(size) * math.factorial(2 - size) / math.factorial(3)
                value += weight * (GAME[tuple(sorted((*some, one)))] - GAME[some])
        expected.append(1.5 * value)  # the mean of the game and its double
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert np.isnan(found[[2, 4]]).all(), "maps that no order reaches"
    table = shapley_table(steps, SIZES, 0)
    assert table[["shapley", "low", "high"]].isna().all(axis=1).tolist() == [False, False, True, False, True]
    assert lowest(found[:3], 0.4) != [2], "they stay"
    assert np.nansum(found) == pytest.approx(1.5 * GAME[0, 1, 2])
    np.testing.assert_allclose(np.nansum(steps, 2).T, np.tile([9.0, 18.0], (6, 1)), err_msg="of every order, too")


def test_the_mean_of_magnitudes_does_not_cancel():
    orders = [[("a", 0)], [("a", 0)]]
    steps = marginals(np.array([[1.0, 3.0], [-1.0, 3.0]]), orders, SIZES)
    assert (values(steps, mean)[0], values(steps, mean_abs)[0]) == (1.5, 2.0)


def test_orders_come_in_pairs_that_reach_every_map_once():
    sizes = {"a": 6, "b": 10}
    found = walks(sizes, 4, 0.5, 0)
    assert [len(order) for order in found] == [8] * 4
    for one, other in (found[:2], found[2:]):
        assert len({*one, *other}) == 16
    assert found == walks(sizes, 4, 0.5, 0) != walks(sizes, 4, 0.5, 1)
    assert len(walks(sizes, 3, 0.5, 0)) == 3
    longest = walks(sizes, 2, 1.0, 0)[0]
    assert len(longest) == 14, "a site's last map stays"
    firsts = [order[0] for order in walks({"a": 2, "b": 2}, 4000, 0.25, 0)]
    assert all(900 < firsts.count(owner) < 1100 for owner in itertools.product("ab", (0, 1)))


def test_the_table_has_intervals_over_orders_and_examples():
    random = np.random.default_rng(0)
    sizes, orders = {"a": 40, "b": 40}, walks({"a": 40, "b": 40}, 24, 0.5, 0)
    joint = np.concatenate([np.cumsum(0.2 + 0.1 * random.standard_normal((32, len(order))), 1) for order in orders], 1)
    table = shapley_table(marginals(joint, orders, sizes), sizes, 0)
    assert list(table.columns) == ["site", "map", "shapley", "low", "high", "orders"]
    assert table.orders.sum() == sum(map(len, orders))
    covered = (table.low <= 0.2) & (table.high >= 0.2)
    assert covered.mean() > 0.9, "of 80 maps that all cost 0.2: resampling both is a little careful"
    assert (table.high - table.low).max() < 0.06, "three times the standard error of 32 × 12 steps, on both sides"


@pytest.mark.parametrize("within", [True, False])
def test_pairs_join_one_by_one_the_set_that_they_make_cheapest(within):
    random = np.random.default_rng(1)
    sites, single = np.array([0, 0, 0, 1, 1, 1, 1]), random.standard_normal(7)
    single[:3] -= 10  # the first site would be the first to be emptied
    curved = random.standard_normal((7, 7))
    curved += curved.T

    def cost(some):
        return single[some].sum() + sum(curved[i, j] for i, j in itertools.combinations(some, 2))

    gone, counts, most = list[int](), [2, 2] if within else [5], (2, 2) if within else (2, 3)
    for _ in range(sum(counts)):
        left = [one for one in range(7) if one not in gone and sum(sites[gone] == sites[one]) < most[sites[one]]]
        gone.append(min(left, key=lambda one: cost([*gone, one])))
    found = cheapest(single, curved, sites, counts, within)
    assert found == [(int(sites[one]), one - 3 * int(sites[one])) for one in gone]


def test_pairs_that_make_each_other_cheaper_go_together():
    """Two sites of three maps: alone a0 and b0 are the cheapest, together they cost much; a1 and b1 cost nothing together."""
    singles = [np.array([0.1, 0.3, 1.0]), np.array([0.1, 0.3, 1.0])]
    curved = np.zeros((6, 6))
    curved[0, 3] = curved[3, 0] = 1.0
    found = better.by_pairs("pairs", singles, curved, ["a", "b"], [0.34])
    assert [(one.chooser, one.scope, one.maps) for one in found] == [
        ("pairs", "each site", {"a": [0], "b": [1]}),
        ("pairs", "all sites", {"a": [0, 1]}),
    ]


def test_reductions_by_hand():
    changes = [np.array([[1.0, 0.0], [-1.0, 4.0], [3.0, 0.0], [-3.0, 0.0]])]
    found = judges(changes, np.array([0, 1, 0, 1]), [1])
    by_name = {name: scores[0].tolist() for name, scores in found.items()}
    assert by_name["oracle_abs"] == [0, 1]
    assert by_name["oracle_mean_abs"] == [2, 1]
    assert by_name["oracle_rms"] == [math.sqrt(5), 2]
    assert by_name["oracle_positive"] == [1, 1]
    assert by_name["oracle_squashed"] == pytest.approx([(1 + math.sqrt(3)) / 2, 0.5])
    assert by_name["oracle_class_abs"] == [2, 1], "means of the classes 2 and −2, 0 and 2"
    assert by_name["oracle_loss_half"] == [2, 0]
    assert by_name["oracle_loss_few"] == [-1, 4]
    assert not any("class" in name for name in judges(changes, None, [1]))


def test_the_table_compares_with_the_best_criterion_and_the_papers_oracle():
    def one(chooser, scaling="none", scope="all sites"):
        return ChosenSet(chooser, scope, scaling, 0.25, {"a": [0]})

    chosen = [one("taylor"), one("taylor", "l2"), one("oracle_abs"), one("random"), one("greedy")]
    random = np.random.default_rng(0)
    joint = np.array([3.0, 2.0, 5.0, 9.0, 1.5]) + random.normal(0, 2, (500, 1)) + random.normal(0, 0.1, (500, 5))
    best = better.best_criteria(chosen[:4], joint[:, :4], ["taylor", "random"])
    assert best == {("all sites", 0.25): 1}
    table = better.better_table(chosen, joint, best, {"singles": np.arange(5.0)}, 0).set_index(["chooser", "scaling"])
    row = table.loc["greedy", "none"]
    assert row.best_criterion == "taylor"
    assert row.over_criterion == pytest.approx(-0.5, abs=0.02)
    assert row.over_criterion_low < row.over_criterion < row.over_criterion_high < -0.45, "paired over examples"
    assert row.over_oracle_abs == pytest.approx(-3.5, abs=0.02)
    assert row.singles == 4
    (summed,) = better.summary(table.reset_index()).to_dict("records")
    assert summed["best criterion"].startswith("taylor 1.9")
    assert summed["best of all"].startswith("greedy 1.4")
    assert better.taken_apart(chosen, best, 0.25) == [2, 4, 1]
    assert better.taken_apart(chosen, best, 0.5) == []


def test_a_set_falls_into_its_sites_and_its_maps():
    whole = ChosenSet("greedy", "all sites", "none", 0.5, {"a": [0, 2], "b": [1]})
    assert better.parts(whole) == [{"a": [0, 2]}, {"b": [1]}]
    assert better.single_maps(whole) == [{"a": [0]}, {"a": [2]}, {"b": [1]}]
