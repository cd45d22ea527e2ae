"""Scalings by hand: what each makes of a site's scores, that none changes ranks within a site, and equation 9."""

import numpy as np
import pytest
from scipy.stats import rankdata

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import SCALINGS, l1, l2, none, rank, regularised

SCORES = [np.array([3.0, -4.0]), np.zeros(3), np.array([2.0, 8.0, 2.0, 4.0]), np.array([0.1, 0.1])]
BY_HAND = {
    "none": [[3, -4], [0, 0, 0], [2, 8, 2, 4], [0.1, 0.1]],
    "l1": [[3 / 7, -4 / 7], [0, 0, 0], [0.125, 0.5, 0.125, 0.25], [0.5, 0.5]],
    "l2": [[0.6, -0.8], [0, 0, 0], [2 / 88**0.5, 8 / 88**0.5, 2 / 88**0.5, 4 / 88**0.5], [0.5**0.5, 0.5**0.5]],
    "rank": [[1, 0.5], [0, 0, 0], [1.5 / 4, 1, 1.5 / 4, 0.75], [0.75, 0.75]],
}


def test_every_scaling_has_its_name_and_is_computed_by_hand():
    assert {"none": none, "l1": l1, "l2": l2, "rank": rank} == SCALINGS
    assert SCALINGS.keys() == BY_HAND.keys()


@pytest.mark.parametrize("name", SCALINGS)
def test_by_hand(name):
    for found, expected in zip(SCALINGS[name](SCORES), BY_HAND[name], strict=True):
        assert found == pytest.approx(np.array(expected))


@pytest.mark.parametrize("name", SCALINGS)
def test_resamples_are_scaled_one_by_one(name):
    rows = [np.stack([site, 10 * site[::-1], 0 * site]) for site in SCORES]
    for index in range(3):
        alone = SCALINGS[name]([site[index] for site in rows])
        together = [site[index] for site in SCALINGS[name](rows)]
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("name", SCALINGS)
def test_ranks_within_a_site_stay(name):
    for before, after in zip(SCORES, SCALINGS[name](SCORES), strict=True):
        assert np.array_equal(rankdata(before), rankdata(after))


def test_the_scores_given_are_not_changed():
    given = [site.copy() for site in SCORES]
    for scaling in SCALINGS.values():
        scaling(given)
    regularised(given, [1, 2, 3, 4])
    assert all(np.array_equal(one, other) for one, other in zip(given, SCORES, strict=True))


def test_equation_9_by_hand():
    costs = [100.0, 50.0, 0.5, 200.0]
    expected = [[2.9, -4.1], [-0.05] * 3, [1.9995, 7.9995, 1.9995, 3.9995], [-0.1, -0.1]]
    for found, site in zip(regularised(SCORES, costs), expected, strict=True):
        assert found == pytest.approx(np.array(site), rel=1e-12)
    assert regularised(SCORES, costs, lam=0.02)[0] == pytest.approx(np.array([1, -6]), rel=1e-12)
    assert regularised([np.ones((2, 2))], [1000.0])[0].tolist() == [[0, 0], [0, 0]]


def test_one_cost_per_site():
    with pytest.raises(BadInput, match="got scores of 4 sites but MFLOPs of 2: give one number per site"):
        regularised(SCORES, [1, 2])
