"""Datamodeling scores and additivity: by hand on a linear network and by scipy; their intervals hold what they should."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset
from toys import output_is_loss

import pruning_oracle as po
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.sets import datamodeling, shown
from pruning_oracle.reports.sets.additivity import additivity_table
from pruning_oracle.reports.sets.datamodeling import SUMMED, datamodeling_table, summed
from pruning_oracle.reports.sets.reference import SINGLE, ReferenceSet, members, single_changes

SITES = {"a": 3, "b": 2}


def sums(count, share=0.4, scope=ALL):
    """Sets of two of the five maps of both sites, every pair in turn."""
    pairs = [(first, second) for second in range(5) for first in range(second) if (first, second) != (3, 4)]
    return [ReferenceSet(scope, share, named(pairs[place % len(pairs)])) for place in range(count)]


def named(maps):
    found = {"a": [index for index in maps if index < 3], "b": [index - 3 for index in maps if index > 2]}
    return {site: own for site, own in found.items() if own}


SINGLES = [ReferenceSet(SINGLE, 0.0, named([place])) for place in range(5)]


def measured(sets, changes, more=None):
    """Joint losses `[example, set]` of changes `[example, map]` that add up, and `more` for what does not."""
    return changes @ members(SITES, sets).T + (0 if more is None else more)


def test_members_and_single_changes_stand_in_the_order_of_sites():
    sets = [ReferenceSet(ALL, 0.4, {"b": [1], "a": [0, 2]}), *reversed(SINGLES)]
    assert members(SITES, sets[:2]).tolist() == [[1, 0, 1, 0, 1], [0, 0, 0, 0, 1]]
    changes = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(single_changes(SITES, sets, measured(sets, changes)), changes)
    with pytest.raises(BadInput, match="3 joint losses of 6 sets: give one column for each set"):
        single_changes(SITES, sets, np.zeros((4, 3)))


def linear_case():
    """A network without a nonlinear layer, in which changes add up: 1 → 3 maps → 4 maps → the loss."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 12, 1), nn.Flatten(), nn.Linear(12 * 4, 1)).eval()
    data = ConcatDataset(2 * [TensorDataset(torch.randn(12, 1, 2, 2), torch.arange(12) % 3)])
    return assemble(model, data, data, loss=output_is_loss, examples=8)


def test_in_a_linear_network_the_sum_of_single_changes_is_the_joint_loss():
    case = linear_case()
    sets = po.reference_sets(case, count=12, shares=[0.25, 0.5])
    losses = po.joint_loss(case, [one.maps for one in sets], rows=range(6), device="cpu", precision="float64")
    table = po.additivity(sets, losses)
    assert table[["scope", "maps", "sets"]].to_numpy().tolist() == [[ALL, 3, 12], [ALL, 6, 12], ["0", 3, 10], ["0", 6, 10]]
    np.testing.assert_allclose(table.joint_loss, table.single_changes, rtol=1e-6)
    np.testing.assert_allclose(table[["difference", "difference_low", "difference_high"]], 0, atol=1e-6)
    ratios = table[["ratio", "ratio_low", "ratio_high"]].dropna().to_numpy()
    np.testing.assert_allclose(ratios, 1, rtol=1e-5)
    truth = po.measure(case, rows=range(6, 12), device="cpu", precision="float64")
    guesses = po.score(case, ["taylor", "random"], rows=range(6, 12), device="cpu", precision="float64")
    scores = po.datamodeling_scores(truth, guesses, sets, losses).set_index(["chooser", "share", "scaling"]).lds
    for share in (0.25, 0.5):
        assert scores[SUMMED, share, "none"] == pytest.approx(1)
        assert abs(scores["random", share, "none"]) < 0.8
    with pytest.raises(BadInput, match="the joint losses are of other sets"):
        po.additivity(sets[1:], losses)


def test_lds_is_scipys_spearman_of_sums_with_means_over_examples():
    random = np.random.default_rng(1)
    sets = [*sums(9), *SINGLES]
    joint = measured(sets, random.normal(1, 1, (30, 5)), random.normal(0, 1, (30, 14)))
    score = random.random(5)
    table = datamodeling_table(
        {"mine": [score[:3], score[3:]], "flat": [np.full(3, 0.1), np.full(2, 0.1)]}, SITES, sets, joint, 0
    )
    rows = table.set_index(["chooser", "scaling"])
    scaled = np.concatenate([part / np.linalg.norm(part) for part in (score[:3], score[3:])])
    for scaling, values in (("none", score), ("l2", scaled)):
        expected = spearmanr([sum(values[place] for place in indices(one)) for one in sets[:9]], joint[:, :9].mean(0)).statistic
        assert rows.lds["mine", scaling] == pytest.approx(expected)
        assert rows.low["mine", scaling] < expected < rows.high["mine", scaling]
    single = spearmanr(
        [joint[:, [9 + place for place in indices(one)]].mean(0).sum() for one in sets[:9]], joint[:, :9].mean(0)
    )
    assert rows.lds[SUMMED, "none"] == pytest.approx(single.statistic)
    assert rows.loc[("flat", "none"), ["lds", "low", "high"]].isna().all(), "a constant sum is undefined"
    assert rows.lds.notna()["flat", "l2"], "but scaled by each site's norm it is not constant"
    assert set(table.n) == {30}
    assert set(table.maps) == {2}
    assert shown.scores(table).iloc[-1, 0] == "noise ceiling"
    assert "undefined" in shown.scores(table).to_string()


def test_intervals_are_for_other_sets_even_where_examples_agree_and_for_scores_with_their_own_sets():
    random = np.random.default_rng(6)
    sets, cost = [*sums(9), *SINGLES], random.random(5)
    alike = np.repeat(cost[None], 20, 0)
    for more, narrow in ((None, True), (np.repeat(random.normal(0, 0.3, (1, 14)), 20, 0), False)):
        table = datamodeling_table({"mine": [cost[:3], cost[3:]]}, SITES, sets, measured(sets, alike, more), 0)
        own = table[table.scaling == "none"].iloc[0]
        assert (own.low > 0.99) == narrow, "where sums are the joint losses they are so for any sets"
        assert (own.high - own.low > 0.2) != narrow


def indices(one):
    return [start + index for site, start in (("a", 0), ("b", 3)) for index in one.maps.get(site, [])]


def test_sums_that_differ_by_rounding_alone_are_equal():
    has = np.random.default_rng(7).permuted(np.repeat([[1.0] * 123 + [0.0] * 268], 200, 0), axis=1)
    assert len(set((has @ np.full(391, 0.1)).tolist())) > 1
    assert len(set(summed(np.full(391, 0.1), has).tolist())) == 1
    assert not summed(np.zeros(391), has).any()


def test_too_few_sets_for_a_rank_are_refused():
    two = [ReferenceSet(ALL, 0.2, {"a": [place % 2]}) for place in range(30)]
    with pytest.raises(BadInput, match="reference sets of 20% of all maps: only 2 of 30 differ; a rank needs 3"):
        datamodeling_table({"mine": [np.ones(3), np.ones(2)]}, SITES, [*two, *SINGLES], np.zeros((4, 35)), 0)
    with pytest.raises(BadInput, match="--sets is 9; allowed are whole numbers from 10"):
        po.reference_sets(linear_case(), count=9)


def test_a_noise_ceiling_is_low_where_examples_tell_different_things():
    random = np.random.default_rng(2)
    sets = [*sums(9), *SINGLES]
    mine = {"mine": [np.arange(3.0), np.arange(2.0)]}
    true, noise = random.normal(0, 1, 14), random.normal(0, 1, (40, 14))
    clear, lost = (datamodeling_table(mine, SITES, sets, of, 0).ceiling.iloc[0] for of in (true + 0.1 * noise, noise))
    assert clear > 0.95
    assert lost < 0.8


def test_intervals_over_sets_and_examples_hold_what_other_draws_of_both_give():
    """Of 60 sets and 40 examples drawn again and again, intervals hold the mean score about as often as they say."""
    random = np.random.default_rng(3)
    found, cost = [], random.random(20)
    for seed in range(60):
        has = random.permuted(np.repeat([[1.0] * 6 + [0.0] * 14], 60, 0), axis=1)
        joint = has @ cost + random.normal(0, 0.5, 60) + random.normal(0, 2, (40, 60))
        drawn = np.random.default_rng(seed).integers(60, size=(500, 60))
        truth = datamodeling._Truth.of(joint, datamodeling.draws(40, seed), drawn)
        found.append(truth.lds(has @ (cost + random.normal(0, 0.1, 20))))
    mean = np.mean([one["lds"] for one in found])
    held = np.mean([one["low"] <= mean <= one["high"] for one in found])
    assert 0.85 <= held <= 1
    assert np.mean([one["high"] - one["low"] for one in found]) < 0.6


def test_additivity_compares_means_over_the_same_examples_and_sets():
    random = np.random.default_rng(4)
    sets = [*sums(9), *sums(4, 0.5, "a"), *SINGLES]
    more = np.zeros(18)
    more[:9] = 3
    changes = random.normal(1, 5, (500, 1)) + random.normal(1, 0.1, (500, 5))
    table = additivity_table(SITES, sets, measured(sets, changes, more), 0)
    first, second = table.iloc[0], table.iloc[1]
    assert (first.scope, first.sets, second.scope, second.sets, first.n) == (ALL, 9, "a", 4, 500)
    assert first.difference == pytest.approx(3)
    assert first.difference_low == pytest.approx(3), "examples that differ much differ in both alike"
    assert first.joint_loss == pytest.approx(first.single_changes + 3)
    assert first.ratio_low < first.ratio < first.ratio_high
    assert second.ratio == pytest.approx(1)
    negative = additivity_table(SITES, sets, measured(sets, changes - 2), 0)
    assert negative.ratio.isna().all(), "where the sum may as well be 0 no ratio means anything"
    assert "undefined" in shown.added(negative).to_string()


def test_the_same_seed_draws_the_same_sets_and_other_shares_others():
    case = linear_case()
    assert po.reference_sets(case, 10, seed=3) == po.reference_sets(case, 10, seed=3)
    assert po.reference_sets(case, 10, seed=3) != po.reference_sets(case, 10, seed=4)
    sets = po.reference_sets(case, 10, [0.2, 0.25])
    small, large = ([one.maps["0"] for one in sets if one.scope == ALL and one.share == share] for share in (0.2, 0.25))
    assert not all(set(one) <= set(other) for one, other in zip(small, large, strict=True))
    assert [one.maps for one in sets if one.scope == SINGLE] == [{"0": [index]} for index in range(12)]
