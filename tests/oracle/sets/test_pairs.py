"""Pairs of maps that are drawn: their probabilities by enumeration of the draw, and what predicts that they are large."""

import itertools

import numpy as np
import pytest
import torch
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.pairs import draw_pairs, predicted_interactions

SITES = np.array([0, 0, 0, 1, 1, 2])  # the pair of site 1, and all of site 2, can never go
POSSIBLE = [(0, 1), (0, 2), (1, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4)]


def test_pairs_are_drawn_with_the_probabilities_that_are_given():
    predicted = np.arange(36.0).reshape(6, 6)
    predicted[0, 3] = 500
    times, chances, trials = dict.fromkeys(POSSIBLE, 0), {}, 2000
    for seed in range(trials):
        drawn = draw_pairs(SITES, predicted, 4, seed)
        assert len(drawn.first) == 4
        for i, j, chance in zip(drawn.first.tolist(), drawn.second.tolist(), drawn.probability, strict=True):
            times[i, j] += 1
            chances[i, j] = chance
    assert sorted(chances) == sorted(POSSIBLE)
    for pair, chance in chances.items():
        assert times[pair] / trials == pytest.approx(chance, abs=4 * np.sqrt(0.25 / trials))
    assert chances[0, 3] == 1, "one that is likely large, for sure"
    assert sum(chances[pair] for pair in POSSIBLE[:3]) == pytest.approx(2), "within sites as many as across"


def test_all_pairs_are_drawn_where_that_is_asked():
    drawn = draw_pairs(SITES, np.zeros((6, 6)), 100, 0)
    assert sorted(zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)) == sorted(POSSIBLE)
    assert (drawn.probability == 1).all()


def test_what_one_kind_lacks_the_other_gives():
    assert len(draw_pairs(SITES, np.ones((6, 6)), 8, 0).first) == 8
    assert len(draw_pairs(np.array([0, 0, 1, 1]), np.ones((4, 4)), 3, 0).first) == 3, "no pair within a site of two"


def test_no_pair_is_an_error():
    with pytest.raises(BadInput, match="no two maps can be removed together: every site must keep one"):
        draw_pairs(np.array([0, 0, 1]), np.ones((3, 3)), 5, 0)


def test_predictions_foretell_how_large_interactions_are():
    case = toy_case("residual")
    batch = next(case.batches(case.train, range(12), 12))
    owners = [(site.name, index) for site in case.sites for index in range(site.maps)]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(owners)), 2) if owners[i][0] != owners[j][0]]
    single = literal(case, [MapSet.of({site: [index]}) for site, index in owners], batch)
    both = literal(case, [MapSet.of({owners[i][0]: [owners[i][1]], owners[j][0]: [owners[j][1]]}) for i, j in pairs], batch)
    measured = both - single[:, [i for i, _ in pairs]] - single[:, [j for _, j in pairs]]
    guessed = predicted_interactions(case, range(12), 5)
    np.testing.assert_allclose(guessed, guessed.T)
    likely = torch.tensor([guessed[i, j] for i, j in pairs])
    assert np.corrcoef(likely, measured.abs().mean(0))[0, 1] > 0.3
