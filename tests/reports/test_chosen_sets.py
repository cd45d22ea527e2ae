"""Sets that criteria and oracles choose, and their regret: by hand on three small sites."""

from typing import ClassVar

import numpy as np
import pytest

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.sets.chosen import SHARES, chosen_sets, lowest, lowest_of_all
from pruning_oracle.reports.sets.regret import regret_table

SCORES = [np.array([0.4, 0.1, 0.3, 0.2]), np.array([4.0, 3.0]), np.array([0.05])]


class ToyRun:
    """A run of two sites whose criterion says the oracle's opposite, and an oracle whose changes cancel in the mean."""

    sites = ("a", "b")
    change_of: ClassVar = {"a": np.array([[1.0, -3.0, 0.2], [1.0, 3.0, 0.2]]), "b": np.array([[2.0, 5.0], [2.0, 5.0]])}

    class oracle:  # noqa: N801 (stands for a run file)
        facts: ClassVar = {"sites": [{"mflops": 1.0}, {"mflops": 3.0}]}

    class criteria:  # noqa: N801 (stands for a run file)
        facts: ClassVar = {"criteria": {"opposite": {"reduce": "mean"}}}

    def change(self, site):
        return self.change_of[site]

    def saliency(self, name, site, examples):
        assert (name, examples) == ("opposite", "fresh")
        return -self.change_of[site].mean(0, keepdims=True)

    def reduction(self, name):
        return lambda matrix: matrix.mean(0)


def test_the_lowest_go_and_one_stays():
    assert lowest(SCORES[0], 0.5) == [1, 3]
    assert lowest(SCORES[0], 0.99) == [1, 2, 3]
    assert lowest(SCORES[2], 0.99) == []
    assert lowest(np.zeros(4), 0.5) == [0, 1], "of equal ones the first"


def test_over_all_sites_the_scores_are_as_they_are_given():
    assert lowest_of_all(SCORES, 0.5) == [[1, 2, 3], [1], []], "the fourth lowest is a's last and c's only map stays"
    assert lowest_of_all(SCORES, 0.15) == [[1], [], []]


def test_choosers_are_criteria_on_fresh_examples_and_oracles_in_every_reduction():
    found = {(one.chooser, one.scope, one.scaling): one.maps for one in chosen_sets(ToyRun(), ["x", "y"], [0.4])}
    assert found["opposite", "each site", "none"] == {"x": [0], "y": [1]}
    assert found["oracle_loss", "each site", "none"] == {"x": [1], "y": [0]}
    assert found["oracle_abs", "each site", "none"] == {"x": [1], "y": [0]}, "changes that cancel"
    assert found["oracle_mean_abs", "each site", "none"] == {"x": [2], "y": [0]}, "and do not"
    assert found["oracle_mean_abs", "all sites", "none"] == {"x": [0, 2]}
    assert len(found) == 4 * 7
    assert len(chosen_sets(ToyRun())) == 4 * 7 * len(SHARES)
    with pytest.raises(BadInput, match="a share of maps is 1; allowed are numbers above 0 and below 1"):
        chosen_sets(ToyRun(), shares=[1])


def test_a_price_for_flops_moves_the_choice_to_the_dear_site():
    """Of five maps two go; a map of site b costs 3 MFLOPs to make, one of site a 1, all five 9."""

    def choice(scaling, flops_lambda):
        own = chosen_sets(ToyRun(), shares=[0.4], flops_lambda=flops_lambda)
        wanted = ("oracle_mean_abs", "all sites", scaling)
        return next(one for one in own if (one.chooser, one.scope, one.scaling) == wanted)

    assert choice("none", 5).maps == {"a": [0, 2]}, "without the price"
    assert choice("none", 5).flops == pytest.approx(2 / 9)
    assert choice("none, flops", 0).maps == {"a": [0, 2]}
    assert choice("none, flops", 5).maps == {"a": [2], "b": [0]}, "2 − 15 < 0.2 − 5 < 1 − 5; b's last map stays"
    assert choice("none, flops", 5).flops == pytest.approx(4 / 9)


def test_regret_is_what_a_set_costs_more_than_the_cheapest_of_its_kind():
    chosen = chosen_sets(ToyRun(), shares=[0.4])
    random = np.random.default_rng(0)
    costs = np.array([3.0 if one.chooser == "opposite" else 1.0 if one.chooser == "oracle_abs" else 2.0 for one in chosen])
    joint = costs + random.normal(0, 1, (400, 1)) + random.normal(0, 0.01, (400, len(chosen)))
    table = regret_table(chosen, joint, 0)
    for row in table.itertuples():
        expected = {"opposite": 2.0, "oracle_abs": 0.0}.get(row.chooser, 1.0)
        assert row.best == "oracle_abs"
        assert row.regret == pytest.approx(expected, abs=0.01)
        assert row.regret_low - 1e-9 <= row.regret <= row.regret_high + 1e-9
        assert row.high - row.low > 0.1, "examples differ by a nat"
        assert row.regret_high - row.regret_low < 0.01, "in the same way for all sets"
    assert set(table.n) == {400}
    with pytest.raises(BadInput, match="1 joint losses of 28 sets"):
        regret_table(chosen, joint[:, :1], 0)
