"""Criteria held to their baselines, on made-up runs: what is worse, better, new, gone, undefined, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.command_line import holding as command
from pruning_oracle.command_line.groups import CasesOptions, RunsOptions
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.regression import baseline
from pruning_oracle.reports.regression.false_alarms import false_alarms, half
from pruning_oracle.reports.regression.figures import AGREEMENT, DRAWS, JOINT, PAIRS, Figure, figures, weighted
from pruning_oracle.reports.regression.regress import accept, findings, measured_figures
from pruning_oracle.reports.regression.significance import LEAST_DIFFERENCE, LEVEL, compare
from pruning_oracle.reports.sets.quick import FILE, quick_sets, read_quick

SITES = {"first": 12, "second": 20}
SEEDS = (0, 1, 2)
NOISE = {"good": 3.0, "poor": 6.0}


def write_runs(root, noise=NOISE, more=None, weights="w", examples=60, change=lambda name, matrix: matrix, seeds=SEEDS):
    """Runs whose criteria see the oracle's examples through so much noise; `change` alters what one of them answers."""
    for seed in seeds:
        random = np.random.default_rng(seed)
        worth = {site: random.normal(size=maps) for site, maps in SITES.items()}
        facts = {"case": "toy", "seed": seed, "weights": f"{weights}{seed}", "commit": "c", "precision": "float32"}
        facts |= {"sources": {"stage": "s", "case": "k", "criteria": "t"}, "libraries": {}}
        facts |= {
            "sites": [{"name": name, "maps": maps, "convolutions": [name], "mflops": 1.0} for name, maps in SITES.items()]
        }
        facts |= {"engine": "literal", "examples": examples, "data": "d"}
        rows = {"shared": np.arange(examples), "fresh": np.arange(examples) + examples}
        truth = {name: {site: w + random.normal(size=(examples, len(w))) for site, w in worth.items()} for name in rows}
        arrays = {f"change/{site}": matrix for site, matrix in truth["shared"].items()} | {"rows": rows["shared"]}
        guesses = {f"{name}/rows": array for name, array in rows.items()}
        for name in rows:
            for criterion, spread in NOISE.items():
                for site, matrix in truth[name].items():
                    seen = matrix + spread * random.normal(size=matrix.shape)
                    guesses[f"{name}/{criterion}/{site}"] = change(criterion, seen)
            for site, w in worth.items():
                guesses[f"{name}/constant/{site}"] = np.ones((1, len(w)))
                guesses[f"{name}/weights/{site}"] = random.normal(size=(1, len(w)))
        described = {name: {"reduce": "mean_abs"} for name in [*noise, "constant", "weights", *(more or [])]}
        guesses |= {
            f"{name}/{new}/{site}": guesses[f"{name}/good/{site}"] for new in more or [] for name in rows for site in SITES
        }
        split = {name: {"examples": examples, "data": "d" if name == "shared" else "e"} for name in rows}
        folder = runs.folder("toy", seed, root)
        runs.save(folder / "oracle.safetensors", "oracle", arrays, facts)
        runs.save(folder / "criteria.safetensors", "criteria", guesses, facts | split | {"criteria": described})


def now(root, seeds=SEEDS, **given):
    write_runs(root, seeds=seeds, **given)
    return measured_figures("toy", seeds, root)


@pytest.fixture
def held(tmp_path):
    """A folder with the baselines of the runs as they are."""
    accept(now(tmp_path / "before"), tmp_path / "baselines", "the first")
    return tmp_path / "baselines"


def verdicts(found):
    return {(finding.criterion, finding.figure): finding.verdict for finding in found}


def test_the_figures_are_what_scipy_says(tmp_path):
    run = now(tmp_path).runs[0]
    found = figures(run)
    agreement, pairs = found["good", AGREEMENT], found["good", PAIRS]
    for place, site in enumerate(SITES):
        score, truth = np.abs(run.saliency("good", site, "fresh")).mean(0), np.abs(run.change(site).mean(0))
        assert agreement.sites[place] == pytest.approx(spearmanr(score, truth).statistic)
        guess, change = run.saliency("good", site, "shared"), run.change(site)
        assert pairs.sites[place] == pytest.approx(spearmanr(guess.ravel(), change.ravel()).statistic)
    assert agreement.value == pytest.approx(agreement.sites.mean())
    assert agreement.draws.shape == pairs.draws.shape == (DRAWS,)
    drawn = []
    for site in SITES:
        shared, fresh = (np.repeat(np.arange(60), np.rint(60 * draws(60, stream)[7]).astype(int)) for stream in (0, 1_000_003))
        score, truth = np.abs(run.saliency("good", site, "fresh")[fresh]), np.abs(run.change(site)[shared].mean(0))
        drawn.append(spearmanr(score.mean(0), truth).statistic)
    assert agreement.draws[7] == pytest.approx(np.mean(drawn))
    assert np.isnan(found["constant", AGREEMENT].value)
    assert np.isnan(found["weights", PAIRS].value), "a criterion that answers as one example has no pairs"


def test_weights_of_examples_are_repeated_examples():
    random = np.random.default_rng(0)
    guess, truth = random.normal(size=(2, 5, 4))
    sums = np.stack([part.mean(1) for part in (guess, truth, guess * truth, guess**2, truth**2)], 1)
    drawn = [0, 0, 3, 4, 4]
    expected = np.corrcoef(guess[drawn].ravel(), truth[drawn].ravel())[0, 1]
    assert weighted(sums, np.array([[2, 0, 0, 1, 2]]) / 5) == pytest.approx(expected)
    constant = np.stack([part.mean(1) for part in (0 * guess + 3, truth, 3 * truth, 0 * guess + 9, truth**2)], 1)
    assert np.isnan(weighted(constant, np.full((1, 5), 0.2)))


def test_what_is_as_it_was_never_fails_nor_does_what_is_rounded_otherwise(tmp_path, held):
    """Not even where the draws say that the smallest difference is certain."""
    same = findings(now(tmp_path / "again"), held)
    assert set(verdicts(same).values()) == {"same"}
    assert [finding.difference for finding in same] == pytest.approx([0] * len(same), abs=1e-6)
    rounded = findings(now(tmp_path / "rounded", change=lambda name, matrix: matrix.astype(np.float16)), held)
    assert any(finding.difference for finding in rounded)
    assert set(verdicts(rounded).values()) == {"same"}


def certain(difference, sites=2):
    """A figure that all draws say is so much above 0.5."""
    return {("c", AGREEMENT): Figure(np.full(sites, 0.5 + difference), np.full(DRAWS, 0.5 + difference))}


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(-0.02, "worse"), (-0.0015, "same"), (0.0015, "same"), (0.02, "better")],
)
def test_the_least_difference_that_counts(difference, verdict):
    assert abs(difference) > LEAST_DIFFERENCE or verdict == "same"
    assert [one.verdict for one in compare("toy", {0: certain(0)}, {0: certain(difference)})] == [verdict]


def joint(cost, noise=0.0):
    """A joint loss of so many nats, with draws around it."""
    return {("c", JOINT): Figure(np.array([cost]), cost + noise * np.random.default_rng(0).normal(size=DRAWS))}


@pytest.mark.parametrize(
    ("cost", "verdict"), [(0.08, "better"), (0.0995, "same"), (0.1005, "same"), (0.12, "worse"), (np.nan, "undefined")]
)
def test_a_joint_loss_is_worse_when_it_is_higher(cost, verdict):
    (found,) = compare("toy", {0: certain(0) | joint(0.1)}, {0: joint(cost)})[1:]
    assert (found.figure, found.verdict) == (JOINT, verdict)


def test_a_joint_loss_within_its_noise_is_the_same():
    other = {("c", JOINT): Figure(np.array([0.12]), 0.12 + 0.02 * np.random.default_rng(1).normal(size=DRAWS))}
    assert [one.verdict for one in compare("toy", {0: joint(0.1, 0.02)}, {0: other})] == ["same"]


def test_joint_losses_that_were_not_measured_are_not_asked_for():
    before = {seed: certain(0) | joint(0.1) for seed in SEEDS}
    assert verdicts(compare("toy", before, {seed: certain(0) for seed in SEEDS})) == {("c", AGREEMENT): "same"}
    one_seed = {seed: certain(0) | (joint(0.2) if seed == 1 else {}) for seed in SEEDS}
    assert verdicts(compare("toy", before, one_seed))["c", JOINT] == "worse"
    assert verdicts(compare("toy", {0: certain(0)}, {0: joint(0.1)}))["c", JOINT] == "new"


def write_quick(root, costs, weights="w", seeds=SEEDS, shift=0):
    """Joint losses of the sets that the choosers of the runs remove: `costs` by chooser, 1 nat for others."""
    for seed in seeds:
        run = read_run("toy", seed, root)
        chosen = quick_sets(run)
        noise = np.random.default_rng(seed).normal(0, 0.05, (40, 1))
        matrix = noise + np.array([costs.get(one.chooser, 1.0) for one in chosen])
        facts = run.oracle.facts | {"examples": 40, "weights": f"{weights}{seed}"}
        sets = [{site: [m + shift for m in maps] for site, maps in one.maps.items()} for one in chosen]
        arrays = {"joint": matrix, "kept": np.ones(40), "rows": np.arange(200, 240)}
        runs.save(runs.folder("toy", seed, root) / FILE, "sets", arrays, facts | {"sets": sets})


def test_criteria_are_held_to_the_joint_loss_of_their_sets(tmp_path):
    for name, costs in (("before", {"good": 0.5}), ("after", {"good": 0.6, "poor": 0.9})):
        write_runs(tmp_path / name)
        write_quick(tmp_path / name, costs)
    accept(measured_figures("toy", SEEDS, tmp_path / "before"), tmp_path / "held", "the first")
    found = {
        one.criterion: one
        for one in findings(measured_figures("toy", SEEDS, tmp_path / "after"), tmp_path / "held")
        if one.figure == JOINT
    }
    assert {name: one.verdict for name, one in found.items()} == {
        "good": "worse",
        "poor": "better",
        "constant": "same",
        "weights": "same",
    }
    assert found["good"].line.startswith("worse: good on toy: joint loss expected 0.499, got 0.599")
    assert found["good"].difference == pytest.approx(0.1, abs=1e-3)
    table = pd.read_csv(tmp_path / "held/toy.csv")
    assert table[table.figure == JOINT].set_index("criterion")["seed 0"]["good"] == pytest.approx(0.5, abs=0.03)


def test_joint_losses_of_other_sets_or_another_network_are_no_run_s_own(tmp_path):
    write_runs(tmp_path)
    run, folder = read_run("toy", 0, tmp_path), runs.folder("toy", 0, tmp_path)
    assert read_quick(run, folder) is None
    write_quick(tmp_path, {})
    assert read_quick(run, folder).joint.shape == (40, 4 + 3)
    write_quick(tmp_path, {}, shift=1)
    assert read_quick(run, folder) is None
    write_quick(tmp_path, {}, weights="other")
    assert read_quick(run, folder) is None


def test_the_interval_is_that_of_the_mean_over_seeds():
    random = np.random.default_rng(0)
    before = {seed: {("c", AGREEMENT): Figure(np.array([0.5]), random.normal(0.4, 0.03, DRAWS))} for seed in SEEDS}
    after = {
        seed: {
            ("c", AGREEMENT): Figure(np.array([0.5 - 0.1 * seed]), known["c", AGREEMENT].draws + random.normal(0, 0.02, DRAWS))
        }
        for seed, known in before.items()
    }
    (found,) = compare("toy", before, after)
    assert found.difference == pytest.approx(-0.1)
    assert (found.expected, found.got) == pytest.approx((0.5, 0.4))
    errors = [np.std(after[seed]["c", AGREEMENT].draws - before[seed]["c", AGREEMENT].draws, ddof=1) for seed in SEEDS]
    assert found.high - found.low == pytest.approx(2 * norm.isf(LEVEL) * np.sqrt(np.sum(np.square(errors))) / 3)
    assert found.verdict == "worse"


def test_worse_and_better_are_told_apart_by_the_noise_of_the_examples(tmp_path, held):
    """Other examples change the poor criterion by chance; noise or its absence is no chance."""
    noisy = now(
        tmp_path / "noisy", change=lambda name, m: m + 20 * np.random.default_rng(9).normal(size=m.shape) * (name == "good")
    )
    found = {(one.criterion, one.figure): one for one in findings(noisy, held)}
    worse = found["good", AGREEMENT]
    assert (worse.verdict, found["poor", AGREEMENT].verdict) == ("worse", "same")
    assert worse.high < 0 < worse.expected - worse.got
    assert worse.line.startswith(f"worse: good on toy: agreement expected {worse.expected:.3f}, got ")
    assert f"difference −{abs(worse.difference):.3f} [−" in worse.line
    assert worse.line.endswith(" (99.8 % interval)")
    accept(noisy, tmp_path / "lower", "noise")
    back = verdicts(findings(measured_figures("toy", SEEDS, tmp_path / "before"), tmp_path / "lower"))
    assert back["good", AGREEMENT] == back["good", PAIRS] == "better"


def test_a_sign_is_seen_though_the_score_takes_magnitudes(tmp_path, held):
    found = verdicts(findings(now(tmp_path / "flipped", change=lambda name, m: -m if name == "good" else m), held))
    assert found["good", AGREEMENT] == "same"
    assert found["good", PAIRS] == "worse"
    assert found["poor", PAIRS] == "same"


def test_a_negative_pair_agreement_has_to_stay_negative(tmp_path):
    """A criterion that takes magnitudes may answer with either sign, but not with another than before."""
    accept(now(tmp_path / "negative", change=lambda name, m: -m), tmp_path / "baselines", "signs are as good")
    found = {(one.criterion, one.figure): one for one in findings(now(tmp_path / "positive"), tmp_path / "baselines")}
    assert found["good", PAIRS].verdict == "worse"
    assert found["good", PAIRS].low > 0


def test_new_gone_and_undefined_criteria(tmp_path, held):
    more = findings(now(tmp_path / "more", more=["also"]), held)
    assert verdicts(more)["also", AGREEMENT] == "new"
    assert not any(finding.fails for finding in more)
    fewer = findings(now(tmp_path / "fewer", noise={"good": 3.0}), held)
    gone = [finding for finding in fewer if finding.fails]
    assert {(finding.criterion, finding.verdict) for finding in gone} == {("poor", "gone")}
    assert "gone: poor on toy: agreement expected " in gone[0].line
    for broken in (np.ones_like, lambda m: m[-20:], lambda m: m.mean(0)[None], lambda m: m.mean(1)[:, None]):
        change = lambda name, m, broken=broken: broken(m) if name == "good" else m  # noqa: E731
        found = findings(now(tmp_path / "broken", change=change), held)
        assert verdicts(found)["good", PAIRS] == "undefined"
        assert all(finding.criterion == "good" for finding in found if finding.fails)
    constant_at_one_site = lambda name, m: m * 0 if name == "good" and m.shape[1] == 12 else m  # noqa: E731
    found = findings(now(tmp_path / "broken", change=constant_at_one_site), held)
    assert verdicts(found)["good", AGREEMENT] == "undefined"


def test_a_criterion_without_a_baseline_is_new_and_no_failure(tmp_path):
    found = findings(now(tmp_path / "runs"), tmp_path / "nothing")
    assert set(verdicts(found).values()) == {"new"}
    assert not any(finding.fails for finding in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": "v"}, r"toy.safetensors and the run of toy seed 0 are of different weights \(w0 and v0\)"),
        ({"examples": 50}, r"are of different examples \(60 and 50\): measure with those of the baseline, or accept new ones"),
        ({"seeds": (0, 3)}, r"holds no baseline of toy seed 3, only of 0, 1, 2: accept one with make regress-accept REASON="),
    ],
)
def test_a_baseline_of_something_else_is_refused_and_replaced_when_accepted(tmp_path, held, given, message):
    other = now(tmp_path / "other", **given)
    with pytest.raises(BadInput, match=message):
        findings(other, held)
    accept(other, held, "another network")
    assert set(verdicts(findings(other, held)).values()) == {"same"}


def test_baselines_need_a_reason_and_keep_it(tmp_path, held):
    with pytest.raises(BadInput, match="a new baseline needs a reason: make regress-accept REASON="):
        accept(now(tmp_path / "again"), held, "  ")
    better = now(tmp_path / "better", change=lambda name, m: m * 0 + m.mean() + np.arange(m.shape[1]) if name == "poor" else m)
    changes = accept(better, held, "counted\nanew")
    assert {finding.criterion for finding in changes} == {"poor"}
    table = pd.read_csv(held / "toy.csv").set_index(["criterion", "figure"])
    assert list(table.columns) == ["seed 0", "seed 1", "seed 2", "accepted", "reason"]
    assert table.loc["poor", AGREEMENT].reason == "counted anew"
    assert table.loc["good", AGREEMENT].reason == "the first"
    assert table.loc["good", AGREEMENT]["seed 1"] == pytest.approx(better.figures[1]["good", AGREEMENT].value, abs=1e-4)
    assert np.isnan(table.loc["weights", PAIRS]["seed 0"])
    assert set(verdicts(findings(better, held)).values()) == {"same"}


def test_small_losses_do_not_add_up_unseen(tmp_path, held):
    """What is not significantly other keeps the baseline it had."""
    first = baseline.read_baseline("toy", held).figures[0]["good", AGREEMENT].value
    slightly = now(tmp_path / "slightly", change=lambda name, m: m + 0.5 * np.random.default_rng(1).normal(size=m.shape))
    assert slightly.figures[0]["good", AGREEMENT].value != pytest.approx(first, abs=1e-4)
    accept(slightly, held, "no change that counts")
    assert baseline.read_baseline("toy", held).figures[0]["good", AGREEMENT].value == first


def test_only_the_criteria_that_are_named_are_accepted(tmp_path):
    found = now(tmp_path / "runs")
    accept(found, tmp_path / "some", "one", only={"good"})
    accept(found, tmp_path / "some", "two", only={"poor"})
    table = pd.read_csv(tmp_path / "some" / "toy.csv").set_index(["criterion", "figure"])
    assert table.reason.to_dict() == {
        (name, figure): why for name, why in (("good", "one"), ("poor", "two")) for figure in (AGREEMENT, PAIRS)
    }
    gone = now(tmp_path / "fewer", noise={"good": 3.0})
    accept(gone, tmp_path / "some", "three", only={"poor"})
    assert set(baseline.read_baseline("toy", tmp_path / "some").accepted) == {"good"}


def test_an_altered_baseline_is_refused(tmp_path, held):
    path = held / "toy.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="was altered after it was written"):
        findings(now(tmp_path / "again"), held)


def test_the_commands(tmp_path, held, capsys):
    assert command.regress(CasesOptions(["toy"], list(SEEDS)), None, True, tmp_path / "before", held).status == 0
    assert "0 failed" in capsys.readouterr().out
    write_runs(tmp_path / "flipped", change=lambda name, m: -m if name == "good" else m)
    assert command.regress(CasesOptions(["toy"], list(SEEDS)), None, True, tmp_path / "flipped", held).status == 1
    said = capsys.readouterr()
    assert said.err.startswith("worse: good on toy: pair agreement expected ")
    assert said.err.endswith('interval); to accept: make regress-accept REASON="why"\n')
    assert said.err.count("\n") == 1
    assert "| worse | good" in said.out
    command.accept(CasesOptions(["toy"], list(SEEDS)), "the sign was wrong before", None, True, tmp_path / "flipped", held)
    command.regress(CasesOptions(["toy"], list(SEEDS)), None, True, tmp_path / "flipped", held)
    assert "| worse" in capsys.readouterr().out
    command.false_alarms(RunsOptions(["toy"], list(SEEDS), tmp_path / "before"), 2)
    assert (
        "10 comparisons of a criterion with itself on other examples, 2 splits of toy:\nfound worse: "
        in capsys.readouterr().out
    )


def test_halves_share_no_example(tmp_path):
    run = now(tmp_path).runs[0]
    first, second = half(run, np.random.default_rng(0))
    for part in (first, second):
        assert part.oracle.facts["examples"] == len(part.change("first")) == len(part.saliency("good", "first", "fresh")) == 30
        assert part.saliency("weights", "first", "fresh").shape == (1, 12)
    whole = np.sort(run.change("first")[:, 0])
    assert np.sort(np.concatenate([part.change("first")[:, 0] for part in (first, second)])).tolist() == whole.tolist()
    paired = np.concatenate([part.saliency("good", "first", "shared")[:, 0] for part in (first, second)])
    assert np.sort(paired).tolist() == np.sort(run.saliency("good", "first", "shared")[:, 0]).tolist()


def test_alarms_are_counted(tmp_path):
    """Two halves of the same examples are seldom told apart."""
    found = now(tmp_path).runs
    counts = false_alarms([found], 20)
    assert counts["comparisons"] == 20 * 5
    assert counts["worse"] + counts["better"] <= 3


def test_accepting_renews_the_oracles_that_ship_and_says_so(tmp_path, held, capsys, monkeypatch):
    renewed = []

    def renew_beside(found, folder):
        renewed.append(([run.seed for run in found], folder))
        return [1]

    monkeypatch.setattr("pruning_oracle.reports.regression.shipped_oracles.renew_beside", renew_beside)
    write_runs(tmp_path / "flipped", change=lambda name, m: -m if name == "good" else m)
    command.accept(CasesOptions(["toy"], list(SEEDS)), "another sign", None, True, tmp_path / "flipped", held)
    assert renewed == [(list(SEEDS), held)]
    assert "toy: the oracle of seed 1 ships anew, in " in capsys.readouterr().out
