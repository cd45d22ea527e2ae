"""The estimated oracle: what is measured is exact, what is not is estimated without bias, and intervals hold what they say."""

import dataclasses
import logging
import math

import numpy as np
import pytest
import torch
from scipy import stats
from test_resume import unfinished
from toys import TOYS, toy_case

from bench.assemble import assemble
from bench.case import load
from bench.errors import BadInput
from oracle.choices import Choices
from oracle.control import control, moves
from oracle.coverage import coverage, least_covered, promises
from oracle.draw import counts, open_ranks, probabilities, systematic
from oracle.estimate import CALIBRATED, PRIOR, Estimates, bent, estimates, filled, magnitudes, ratios
from oracle.goal import Goal, likely_spearman
from oracle.ingredients import INGREDIENTS, Reduced
from oracle.literal import literal
from oracle.measure import measure
from oracle.recorded import Recorded, agreement, spearman
from oracle.replay import Replay
from oracle.sample import Sample
from oracle.sampled import Sampling, choose
from oracle.units import Units


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


@pytest.mark.parametrize("name", ["plain", "residual", "clips"])
def test_what_is_measured_is_exact_and_all_of_it_is_the_oracle(name):
    case = toy_case(name, 24)
    whole = measure(case, literal, range(12), 5)
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
    found = moves(case, batch, list(range(6)))
    assert np.isfinite(found["odds"]).all()
    np.testing.assert_allclose(np.logaddexp(0, found["odds"]), case.losses(batch).detach().numpy(), rtol=1e-9)
    site = case.sites[0]
    moved, odds, none = found[f"moves/{site.name}"], found["odds"], np.zeros((6, site.maps), bool)
    small = control(1e-6 * moved, odds, none).predicted / 1e-6
    other = dataclasses.replace(case, loss=lambda output, labels: 2 * case.loss(output, labels))
    plain = moves(other, batch, list(range(6)))
    assert np.isnan(plain["odds"]).all()
    np.testing.assert_allclose(2 * small, plain[f"moves/{site.name}"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(control(plain[f"moves/{site.name}"], plain["odds"], none).predicted, plain[f"moves/{site.name}"])
    far = control(np.full((6, site.maps), 5.0), odds, none).predicted
    np.testing.assert_allclose(far, (np.logaddexp(0, odds + 5) - np.logaddexp(0, odds))[:, None] * np.ones(site.maps))
    known = none.copy()
    known[2, 1] = True
    assert control(moved, odds, known).predicted[2, 1] == control(moved, odds, known).size[2, 1] == 0


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
    sample = Sample(control(moved, np.full(60, np.nan), known), known)
    sample.add(40.0, filled(sample), *sample.choose(np.full(5, 8), random), change)
    found = estimates(sample)
    assert np.isfinite(found.error).all()
    assert found.error[0] < 1e-3 * found.error[1:].min()
    assert (np.abs(found.unbiased - change.mean(0)) < 4 * found.error).all()


def test_later_rounds_measure_maps_whose_neighbours_are_near():
    sample = Sample(control(None, np.zeros(200), np.zeros((200, 8), bool)), np.zeros((200, 8), bool))
    change = np.array([1.0, 1.01, 1.02, 1.03, 10, 20, 30, 40]) + 0.3 * np.random.default_rng(0).normal(0, 1, (200, 8))
    for step in (0, 1):
        ((chosen, chance),) = choose([sample], 160.0, 0, step)
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
        sample = Sample(control(None, np.zeros(60), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
        sample.control = dataclasses.replace(sample.control, predicted=predicted, size=size)
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
    sample = Sample(control(None, np.zeros(400), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
    sample.add(1.0, filled(sample), *sample.choose(np.full(40, 50), random), change)
    share = ratios(sample).freedom / CALIBRATED / (49 + PRIOR)
    assert least < np.median(share) < most


def test_shapes_are_of_ratios_over_their_own_maps_deviation():
    """A map that varies five times as much makes no tail, and one with a tail keeps it to itself."""
    random, size = np.random.default_rng(0), np.ones((2000, 6))
    change = random.normal(0, 1, size.shape) * np.array([1, 1, 1, 1, 1, 5])
    sample = Sample(control(None, np.zeros(2000), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
    sample.add(1.0, filled(sample), *sample.choose(np.full(6, 1000), random), change)
    assert np.allclose(ratios(sample).kurtosis, 3, atol=0.3)
    long = Sample(sample.control, np.zeros(size.shape, bool))
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
        sample = Sample(control(None, np.zeros(40), np.zeros(size.shape, bool)), np.zeros(size.shape, bool))
        change = random.normal(0, 1, size.shape) + spread * np.arange(6)
        sample.add(1.0, filled(sample), *sample.choose(np.full(6, 10), random), change)
        mean = np.where(sample.drawn, change, 0).sum(0) / 10
        if spread:
            np.testing.assert_allclose(ratios(sample).mean, mean, rtol=0.02, atol=0.3)
        else:
            assert np.ptp(ratios(sample).mean) < 0.3 * np.ptp(mean)


def engine_of(case):
    """An engine that chooses nothing by the clock: two of them round alike."""
    chosen = {"memory format": "contiguous"} | {site.name: "whole operations" for site in case.sites}
    return Replay(case, choices=Choices(chosen))


@pytest.fixture(scope="module")
def recorded():
    """A real network's whole oracle and what is seen of it at first."""
    case = load("vgg-digits", 0)
    rows = case.split(160)[0]
    oracle = measure(case, engine_of(case), rows, 80)
    first = Sampling(case, engine_of(case), rows, 80).look()
    return case, rows, first, {name: change.double().numpy() for name, change in oracle.changes.items()}


def test_on_a_real_network_each_ingredient_pays(recorded):
    case, _, first, whole = recorded
    reached = {}
    for name, used in INGREDIENTS.items():
        runs = [
            Recorded(dataclasses.replace(case, seed=seed), first, whole, used).run(Goal(0.05, rounds=used.rounds))
            for seed in (0, 1, 2)
        ]
        reached[name] = np.mean([spearman(found.estimates, used.kind, whole)[0] for found in runs])
    assert reached["plain subsample"] < reached["+ control variate"] < reached["+ shrunk"]
    assert reached["+ shrunk"] > 0.97
    assert all(abs(found.share - 0.05) < 0.005 for found in runs)


def test_the_least_covered_tenth_is_counted_in_other_runs_too():
    held = np.ones((4, 20), bool)
    held[:, 0] = False  # in every run
    held[0, 1] = held[1, 2] = False  # by chance, in one half of the runs each
    chosen, unchosen = least_covered(held)
    assert chosen == pytest.approx((0 + 0.75) / 2)
    assert unchosen == pytest.approx(((0 + 1) / 2 + (0 + 1) / 2) / 2)
    chosen, unchosen = least_covered(np.random.default_rng(0).random((200, 4000)) < 0.95)
    assert chosen == pytest.approx(0.923, abs=0.002)
    assert unchosen == pytest.approx(0.95, abs=0.002)


def test_on_a_real_network_intervals_hold_and_promises_are_kept(recorded):
    case, _, first, whole = recorded
    found = coverage(case, first, whole, 60, 0.1)
    assert 0.92 < found["mean"] < 0.98
    assert found["bias, root mean square of z"] < 1.3
    kept = list(promises(case, first, whole, 12))
    assert all(row["kept"] >= 0.8 for row in kept)
    assert kept[0]["share"] < kept[-1]["share"] < 0.3


def test_what_is_really_measured_is_what_the_records_say(recorded):
    case, rows, first, whole = recorded
    real = Sampling(case, engine_of(case), rows, 80).run(Goal(0.05))
    again = Recorded(case, first, whole).run(Goal(0.05))
    for name in whole:
        assert real.measured[name][~first[f"alive/{name}"]].all()  # known to change nothing
        assert (real.measured[name] == again.measured[name]).mean() > 0.999
        np.testing.assert_allclose(real.estimates[name].shrunk, again.estimates[name].shrunk, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("name", INGREDIENTS)
def test_a_part_of_the_method_really_measures_what_is_recorded_of_it(recorded, name, monkeypatch):
    case, rows, first, whole = recorded
    used = INGREDIENTS[name]
    if not used.slopes:
        monkeypatch.setattr("oracle.sampled.moves", None)  # it takes no backward pass
    real = Reduced(used, case, engine_of(case), rows, 80).run(Goal(0.05, rounds=used.rounds))
    again = Recorded(case, first, whole, used).run(Goal(0.05, rounds=used.rounds))
    for site in whole:
        np.testing.assert_array_equal(real.measured[site], again.measured[site])
        estimate = getattr(again.estimates[site], used.kind)
        np.testing.assert_allclose(getattr(real.estimates[site], used.kind), estimate, rtol=0.02, atol=1e-5)


def test_an_estimate_does_not_favour_what_resembles_its_own_prediction(recorded):
    """A criterion of the first order agrees with the estimate about as much as with the whole oracle."""
    case, _, first, whole = recorded
    guess, favoured = {}, []
    for name in whole:
        guess[name] = control(first[f"moves/{name}"], first["odds"], ~first[f"alive/{name}"]).predicted.mean(0)
    for seed in range(10):
        found = Recorded(dataclasses.replace(case, seed=seed), first, whole).run(Goal(0.05)).estimates
        estimate = {name: part.shrunk[None] for name, part in found.items()}
        favoured.append(agreement(guess, estimate)[0] - agreement(guess, whole)[0])
    assert abs(np.mean(favoured)) < 0.03


def test_a_spearman_is_likely_as_far_as_errors_allow(recorded):
    case, _, first, whole = recorded
    few, more = (Recorded(case, first, whole).run(Goal(share)).estimates for share in (0.02, 0.2))
    assert likely_spearman(list(few.values()), 0) < likely_spearman(list(more.values()), 0) < 1


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
    whole = measure(case, literal, range(12), 5)
    known = torch.from_numpy(found.measured["conv"])
    torch.testing.assert_close(found.oracle.changes["conv"][known], whole.changes["conv"][known], atol=1e-6, rtol=1e-4)


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
