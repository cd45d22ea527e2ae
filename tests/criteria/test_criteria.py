"""Every criterion by hand, and one contract suite over all that are registered."""

import dataclasses
import math
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch.utils.data import TensorDataset
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.criteria.combinations import FITTED
from pruning_oracle.criteria.criterion import CRITERIA, Evidence, choose_criteria, criterion, discover, mean
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS
from pruning_oracle.criteria.information import quantise
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure

with_captum = pytest.mark.skipif(find_spec("captum") is None, reason="captum is not installed")

NAMES = sorted(discover())
LAMBDA = 0.082 / 3  # what kronecker_surgeon adds to the diagonal on the one-pixel toy


def score(name, seen):
    found = CRITERIA[name]
    return found.reduce(found.saliency(seen))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # filters (1), (2), (−1)
        ("weight_mean_square", [1, 4, 1]),
        ("weight_l1", [1, 2, 1]),
        ("weight_l2", [1, 2, 1]),
        ("geometric_median", [1 + 2, 1 + 3, 2 + 3]),
        # maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0)
        ("activation_mean", [7 / 4, 14 / 4, 3 / 4]),
        ("activation_magnitude", [7 / 4, 14 / 4, 3 / 4]),
        ("activation_largest", [7 / 4, 14 / 4, 3 / 4]),
        ("activation_deviation", [math.sqrt(35) / 4, math.sqrt(35) / 2, math.sqrt(27) / 4]),
        ("nonzero_share", [3 / 4, 3 / 4, 1 / 4]),
        # |activation × gradient| with gradients 10, −1, 5
        ("taylor", [70 / 4, 14 / 4, 15 / 4]),
        ("taylor_mean", [70 / 4, 14 / 4, 15 / 4]),
        ("taylor_signed", [70 / 4, 14 / 4, 15 / 4]),
        ("taylor_elementwise", [70 / 4, 14 / 4, 15 / 4]),
        ("gauss_newton", [0, 0, 0]),  # the output is the loss
        ("brain_damage", [0, 0, 0]),
        ("fisher", [100 * 21 / 8, 84 / 8, 25 * 9 / 8]),
        ("taylor_second", [70 / 4, 14 / 4, 15 / 4]),
        ("taylor_second_signed", [70 / 4, 14 / 4, 15 / 4]),
        ("taylor_squared", [100 * 21 / 4, 84 / 4, 25 * 9 / 4]),
        # without biases weight × gradient is activation × gradient
        ("taylor_weight", [100 * 21 / 4, 84 / 4, 25 * 9 / 4]),
        ("taylor_weight_elementwise", [(70 / 4) ** 2, (14 / 4) ** 2, (15 / 4) ** 2]),
        ("snip", [70 / 4, 14 / 4, 15 / 4]),
        # the loss is linear in the gates, and in the input on the way from zero
        ("path", [70 / 4, 14 / 4, 15 / 4]),
        pytest.param("conductance", [70 / 4, 14 / 4, 15 / 4], marks=with_captum),
        ("consumer_l2", [10, 1, 5]),
        ("wanda", [10 * math.sqrt(21) / 2, math.sqrt(84) / 2, 5 * 3 / 2]),
        ("flap", [100 * 35 / 16, 35 / 4, 25 * 27 / 16]),
        ("whc", [0, 0, 0]),  # filters of one weight point the same way
        # a matrix of one pixel has its Euclidean norm: √5, √20, 3 and √80 with all maps
        ("chip", [(7 * math.sqrt(5) - 14) / 4, (7 * math.sqrt(5) - 7) / 4, 3 / 4]),
        ("synflow", [10 / 17, 2 / 17, 5 / 17]),
        ("group_fisher", [100 * 21 / 8, 84 / 8, 25 * 9 / 8]),
        ("jacobian", [100 * 21 / 2, 84 / 2, 25 * 9 / 2]),  # what makes a map, and what reads it
        ("weight_damage", [100 * 21 / 8, 84 / 8, 25 * 9 / 8]),
        # outputs ±1, 2, 3, 4 times the weights; slopes (10, −1, 0) three times and (0, 0, 5) once, so that λ is 0.082 / 3
        (
            "kronecker_surgeon",
            [
                3.75 * (75 + LAMBDA - 56.25 / (0.75 + LAMBDA)),
                15 * (0.75 + LAMBDA - 56.25 / (75 + LAMBDA)),
                3.75 * (6.25 + LAMBDA),
            ],
        ),
        ("activation_rank", [3 / 4, 3 / 4, 1 / 4]),  # a pixel that is not zero has rank 1
        # ranks (¼, 1, ¼) by weight, (½, 1, 0) by deviation, (1, 0, ½) by the three others
        ("mean_rank", [3.75 / 5, 2 / 5, 1.75 / 5]),
        # 1, 2, 0, 4 lie in four bins; 0, 0, 3, 0 in two
        ("entropy", [math.log(4), math.log(4), 0.75 * math.log(4 / 3) + 0.25 * math.log(4)]),
        # labels 0, 1, 0, 1: map 0 is 1, 2, 0, 4, all different, so it tells the label wholly: ln 2; the third map is 3 once of
        # four, under label 0: ln 4 is the joint's surprise …
        ("mutual_information", [math.log(2), math.log(2), 0.25 * math.log(2) + 0.25 * math.log(2 / 3) + 0.5 * math.log(4 / 3)]),
    ],
)
def test_by_hand(name, expected):
    seen = collect(pixel_case(), range(4), 2, CRITERIA[name].needs, "test")["conv"]
    assert score(name, seen).tolist() == pytest.approx(expected, rel=1e-6)


def test_hybrid_weights_by_hand():
    """Filters (3, 0), (0, 4), (−6, 0): opposite directions count as alike, right angles as wholly unlike."""
    seen = collect(pixel_case(), range(4), 4, frozenset(), "test")["conv"]
    filters = torch.tensor([[3.0, 0], [0, 4], [-6, 0]])
    assert score("whc", dataclasses.replace(seen, weights=filters)).tolist() == pytest.approx([3 * 4, 4 * (3 + 6), 6 * 4])


def two_scores_case():
    """The one-pixel toy with scores 0.1 (a − b + 2c) and 0, where p is the chance of the first class; maps as in the toy."""
    case = pixel_case()
    model = case.model.to(torch.float32)
    model.read = torch.nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        model.read.weight.copy_(torch.tensor([[0.1, -0.1, 0.2], [0, 0, 0]]))
    return dataclasses.replace(case, loss=partial(torch.nn.functional.cross_entropy, reduction="none"))


def test_what_the_outputs_say_without_labels_by_hand():
    case, needs = two_scores_case(), frozenset({"sampled_grad", "output_fisher", "gate_curvature"})
    seen = collect(case, range(4), 3, needs, "test")["conv"]
    scores = torch.tensor([-0.1, -0.2, 0.6, -0.4])
    slopes = torch.tensor([[0.1, -0.2, 0], [0.2, -0.4, 0], [0, 0, 0.6], [0.4, -0.8, 0]])
    chance = scores.sigmoid()[:, None]
    torch.testing.assert_close(seen.output_fisher, chance * (1 - chance) * slopes.square())
    torch.testing.assert_close(seen.output_fisher, seen.gate_curvature)
    first, second = -(1 - chance) * slopes, chance * slopes  # by the label that is drawn
    drawn = [row.allclose(one) or row.allclose(other) for row, one, other in zip(seen.sampled_grad, first, second, strict=True)]
    assert all(drawn)
    expected = (chance * (1 - chance) * slopes.square()).mean(0) / 2
    torch.testing.assert_close(score("output_divergence", seen), expected)


def test_fitted_weights_are_those_of_other_cases(monkeypatch):
    seen = collect(pixel_case(), range(4), 2, CRITERIA["weighted_rank"].needs, "test")["conv"]
    monkeypatch.setitem(FITTED, "all", [1, 0, 0, 0, 0])
    monkeypatch.setitem(FITTED, "without", {"unnamed": [0, 0.5, 0.5, 0, 0], "other": [0, 0, 0, 0, 1]})
    assert score("weighted_rank", seen).tolist() == [0.75, 0.5, 0.25]
    other = dataclasses.replace(seen, case="neither")
    assert score("weighted_rank", other).tolist() == [0.25, 1, 0.25]


def test_taylor_mean_divides_by_positions_and_keeps_the_ranking():
    seen = collect(toy_case("plain"), range(12), 4, SHARED_PASS, "test")["features.0"]
    torch.testing.assert_close(score("taylor_mean", seen) * 64, score("taylor", seen))


def test_taylor_takes_magnitudes_per_example():
    case = toy_case("plain")
    seen = collect(case, range(12), 4, frozenset({"gate_grad"}), "test")["features.0"]
    by_hand = torch.stack([seen.gate_grad[row].abs() for row in range(12)]).sum(0) / 12
    torch.testing.assert_close(score("taylor", seen), by_hand)
    assert not torch.allclose(score("taylor", seen), seen.gate_grad.mean(0).abs())


def test_second_order_is_the_removal_itself_where_the_loss_is_quadratic():
    """Outputs are 10a − b + 5c of the maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0); the loss is half their square."""
    case = dataclasses.replace(pixel_case(), loss=lambda output, labels: output[:, 0].square() / 2)
    seen = collect(case, range(4), 3, SHARED_PASS | {"gate_curvature", "gate_hessian"}, "test")["conv"]
    products = torch.tensor([[10.0, -2, 0], [20, -4, 0], [0, 0, 15], [40, -8, 0]])
    torch.testing.assert_close(seen.gate_curvature, products.square(), rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(seen.gate_hessian, products.square(), rtol=1e-6, atol=1e-4)
    change = measure(case, partial(literal, case), range(4), 4).changes["conv"]
    for name in ("taylor_second", "taylor_second_signed"):
        torch.testing.assert_close(CRITERIA[name].saliency(seen), change, rtol=1e-6, atol=1e-4)
    for name in ("gauss_newton", "brain_damage"):
        torch.testing.assert_close(score(name, seen), products.square().mean(0) / 2, rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(score("taylor_second", seen), change.abs().mean(0), rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(score("taylor_second_signed", seen), change.mean(0).abs(), rtol=1e-6, atol=1e-4)


def test_what_cancels_in_each_taylor_criterion():
    """Activations 1 and 2, at two positions, with gradients that differ in sign between positions and between examples."""
    images = torch.tensor([[[[1.0, 2.0]]], [[[1.0, 2.0]]]])
    data = TensorDataset(images.repeat(4, 1, 1, 1), torch.tensor([1, -1] * 4))
    conv = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.ones_(conv.weight)
    model = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[3].weight.copy_(torch.tensor([[3.0, -1.0]]))
    case = assemble(model.eval(), data, data, loss=lambda output, labels: output[:, 0] * labels)
    seen = collect(case, range(2), 2, SHARED_PASS, "test")["0"]
    # products 1 × 3 and 2 × −1 of the first example, their opposites of the second
    assert seen.gate_grad[:, 0].tolist() == [1, -1]
    expected = {"taylor": 1, "taylor_signed": 0, "taylor_mean": 0.5, "taylor_elementwise": 5, "taylor_squared": 1}
    assert {name: score(name, seen).item() for name in expected} == expected


def test_taylor_is_the_removal_itself_where_the_loss_is_linear():
    case = pixel_case()
    seen = collect(case, range(4), 4, frozenset({"gate_grad"}), "test")["conv"]
    assert torch.equal(CRITERIA["taylor"].saliency(seen), measure(case, partial(literal, case), range(4), 4).changes["conv"])


def test_quantisation_cuts_at_quantiles_and_shares_levels_on_ties():
    values = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]]).T
    assert quantise(values, 4)[:, 0].tolist() == [0, 0, 0, 0, 2, 2, 3, 3]
    assert torch.equal(quantise(values, 4), quantise(values * 100 + 3, 4))


def test_mutual_information_against_scikit_learn():
    seen = collect(toy_case("plain", examples=40), range(40), 16, frozenset({"mean"}), "test")["features.0"]
    for count, name in ((2, "mutual_information_2"), (8, "mutual_information"), (32, "mutual_information_32")):
        levels = quantise(seen.mean, count)
        expected = [mutual_info_score(levels[:, index], seen.labels) for index in range(levels.shape[1])]
        assert score(name, seen).tolist() == pytest.approx(expected)


def test_random_depends_on_the_seed_and_the_site_alone():
    seen = collect(toy_case("plain"), range(6), 6, SHARED_PASS, "test")
    again = collect(toy_case("plain"), range(3, 9), 2, SHARED_PASS, "test")
    assert torch.equal(score("random", seen["features.0"]), score("random", again["features.0"]))
    assert not torch.equal(score("random", seen["features.0"])[:4], score("random", seen["features.4"]))


# The contract: what every registered criterion keeps, whoever wrote it.


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("name", NAMES)
def test_contract(name, toy):
    case, rows = toy_case(toy), list(range(12))
    found, needs = CRITERIA[name], CRITERIA[name].needs
    if reasons := unavailable(case, needs):
        assert all(reasons.values())
        return
    whole = collect(case, rows, 12, needs, "test")
    batched = collect(case, rows, 5, needs, "test")
    reversed_ = collect(case, rows[::-1], 4, needs, "test")
    for site in case.sites:
        saliency = found(whole[site.name])
        assert saliency.shape in {(1, site.maps), (12, site.maps)}
        assert saliency.is_floating_point()
        assert bool(saliency.isfinite().all())
        scores = score(name, whole[site.name])
        assert scores.shape == (site.maps,)
        torch.testing.assert_close(score(name, batched[site.name]), scores, rtol=1e-8, atol=1e-10)
        if not found.order:  # what depends on it says so
            torch.testing.assert_close(score(name, reversed_[site.name]), scores, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_every_criterion_says_what_it_is(name):
    found = CRITERIA[name]
    assert found.saliency.__doc__
    assert found.source
    assert found.unit


def test_unknown_evidence_is_refused_at_import():
    with pytest.raises(BadInput, match="unknown evidence 'gate_gard': choose from channel_independence, "):
        criterion(needs={"gate_gard"}, reduce=mean, unit="", source="")


def test_a_duplicate_name_is_refused():
    def taylor(site: Evidence):
        return site.gate_grad

    with pytest.raises(BadInput, match=r"criterion 'taylor' already exists in pruning_oracle.criteria.taylor"):
        criterion(needs={"gate_grad"}, reduce=mean, unit="nats", source="")(taylor)


def test_unknown_criteria_are_named():
    with pytest.raises(BadInput, match="unknown criterion 'tailor': choose from activation_deviation, "):
        choose_criteria(["tailor"])
