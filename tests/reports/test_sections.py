"""The report's tables and curves by hand: cost, few examples, likeness, dispersion, sample sizes, the fitted combination."""

import itertools
import json

import numpy as np
import pytest
from matplotlib import pyplot as plt
from pages import facts_of
from scipy.stats import spearmanr
from written_runs import SITES, write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import REDUCTIONS
from pruning_oracle.reports.agreement import few_examples
from pruning_oracle.reports.agreement.cost import passes_of_criterion, passes_of_oracle, readable
from pruning_oracle.reports.agreement.fit import fit_weights
from pruning_oracle.reports.agreement.grade import FLOPS, grade
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.page.render import render
from pruning_oracle.reports.report import grade_run, read_case_study
from pruning_oracle.reports.sections import (
    agreement_table,
    alike,
    dispersion,
    flops,
    heat_map,
    overview,
    paper,
    sample_size,
    settling,
)
from pruning_oracle.reports.sections import quality_against_cost as quality_and_cost
from pruning_oracle.reports.sections.latex_table import column_tables, page_tables
from pruning_oracle.reports.sections.marks import MARK
from pruning_oracle.reports.sections.summaries import summary


@pytest.fixture
def known(tmp_path):
    write_run(tmp_path, noise=2.0)
    grade_run("toy", 0, tmp_path)
    return read_case_study("toy", [0], tmp_path)


def test_the_oracle_on_few_examples(tmp_path):
    write_run(tmp_path, noise=0.0)
    exact = few_examples.grade_few_examples(read_run("toy", 0, tmp_path))
    plain = exact[exact.scaling == "none"]
    assert plain.spearman.tolist() == pytest.approx([1.0] * len(plain))
    write_run(tmp_path, noise=6.0)
    noisy = few_examples.grade_few_examples(read_run("toy", 0, tmp_path))
    assert list(noisy.columns) == list(grade(read_run("toy", 0, tmp_path)).columns)
    found = noisy.query("oracle == 'oracle_abs' and scaling == 'none'").set_index(["criterion", "scope", "examples"]).spearman
    growing = [found[few_examples.control_name(count), MEAN, "fresh"] for count in few_examples.COUNTS]
    assert 0 < growing[0] < growing[1] < growing[2] < 1
    assert found[few_examples.control_name(64), MEAN, "fresh"] < found[few_examples.control_name(64), MEAN, "shared"]
    assert found[few_examples.control_name(64), ALL, "fresh"] > 0.5


@pytest.mark.parametrize(("examples", "estimated"), [(200, False), (7, False), (200, True)])
def test_where_no_few_examples_are_shown_the_page_says_why(tmp_path, examples, estimated):
    folder = write_run(tmp_path, examples=examples)
    file = runs.load(folder / "oracle.safetensors", "oracle")
    more = {f"error/{site}": np.zeros(maps) for site, maps in SITES.items()}
    if estimated:
        runs.save(file.path, "oracle", file.arrays | more, file.facts | {"estimated": {"share": 0.05}})
    study = _study(tmp_path)
    shown = [name for name in study.criteria if name.startswith("oracle of ")]
    why = few_examples.why_none(study.runs[0])
    for section in (agreement_table.section(study), quality_and_cost.section(study)):
        assert bool(shown) != ("The oracle on few examples is not shown: " in section.caption)
        assert why in section.caption
    assert ("this one is estimated" in why) == estimated
    assert ("the oracle has 7, and at most half of them" in why) == (examples == 7)


def test_scores_that_depend_on_the_order_are_marked_with_the_reason(tmp_path):
    folder = write_run(tmp_path)
    file = runs.load(folder / "criteria.safetensors", "criteria")
    file.facts["criteria"]["opposite"]["order"] = "it keeps the last example only"
    del file.facts["criteria"]["constant"]["order"]  # as in a file of an older version
    runs.save(file.path, "criteria", file.arrays, file.facts)
    study = _study(tmp_path)
    named = {name.removesuffix(f" {MARK}"): name.endswith(MARK) for name in summary(study).criterion}
    assert [name for name, mark in named.items() if mark] == ["opposite"]
    legend = f"{MARK} depends on the order of the examples (opposite: it keeps the last example only)."
    sections = agreement_table.section(study), quality_and_cost.section(study), heat_map.section(study)
    assert all(legend in section.caption for section in (*sections, overview.section([study])))
    assert f"opposite {MARK}" in {text.get_text() for text in sections[1].figure.axes[0].texts}
    facts = facts_of(render([study], tmp_path / "report"))
    assert {name for name, card in facts["criteria"].items() if card["order"]} == {"opposite"}
    assert sum(legend in section["caption"] for section in facts["sections"]) == 4
    for text in (column_tables([study]), page_tables([study])):
        assert r"opposite\,$^\dagger$ &" in text
        assert r"perfect &" in text
        assert MARK not in text


def test_few_are_at_most_half(tmp_path):
    write_run(tmp_path, examples=40)
    assert set(few_examples.grade_few_examples(read_run("toy", 0, tmp_path)).criterion) == {
        few_examples.control_name(4),
        few_examples.control_name(16),
    }


def test_costs_by_hand(known):
    """200 examples: the oracle took 8 s, a forward pass 0.2 s."""
    run = known.runs[0]
    assert passes_of_criterion([run], "perfect") == 2
    assert passes_of_oracle(run) == pytest.approx(40)
    assert passes_of_criterion([run], few_examples.control_name(16)) == pytest.approx(40 * 16 / 200)
    assert [readable(value) for value in (0.04, 3.21, 40.2)] == ["0.0", "3.2", "40"]
    shown = quality_and_cost.section(known)
    assert "on the 200 examples scored" in shown.caption
    assert "what scoring 200 examples takes" in agreement_table.section(known).caption
    assert {text.get_text() for text in shown.figure.axes[0].texts} == {
        "perfect",
        "opposite",
        *map(few_examples.control_name, few_examples.COUNTS),
    }


def test_lines_to_labels_do_not_cross():
    random = np.random.default_rng(0)
    _, panel = plt.subplots()
    points = {f"{place}": (10 ** random.uniform(-1, 2), random.uniform(-0.2, 1)) for place in range(40)}
    panel.plot(*zip(*points.values(), strict=True), "o")
    panel.set(xscale="log")
    found = quality_and_cost._heights(panel, points)
    assert len(set(found.values())) == 40
    end = {name: panel.transAxes.transform((quality_and_cost.RIGHT, height)) for name, height in found.items()}
    lines = [(panel.transData.transform(points[name]), end[name]) for name in points]

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    for (a, b), (c, d) in itertools.combinations(lines, 2):
        assert side(a, b, c) == side(a, b, d) or side(c, d, a) == side(c, d, b)


def test_regularisation_by_flops_by_hand(tmp_path):
    """Exact scores of 1 to 6 at 30 MFLOPs a map and of 10 to 90 at 45: a large λ has the dear ones go first."""
    write_run(tmp_path, noise=0.0)
    run = read_run("toy", 0, tmp_path)
    assert flops.agreement_and_work(run, "perfect", 0.0)[1] == pytest.approx((30 + 3 * 45) / (6 * 30 + 9 * 45))
    dear_first, share = flops.agreement_and_work(run, "perfect", 1.0)
    assert share == pytest.approx(4 * 45 / (6 * 30 + 9 * 45))
    order = [*range(10, 16), *range(1, 10)]  # whatever a map is worth, those of the second site come before those of the first
    truth = [*range(1, 7), *range(10, 100, 10)]
    assert dear_first == pytest.approx(spearmanr(order, truth).statistic)
    # the paper's λ takes 0.03 from the first site's scores, k/√91, and 0.045 from the second's, k/√285
    table = grade(run).query("criterion == 'perfect' and examples == 'shared' and oracle == 'oracle_loss' and scope == @ALL")
    scores = [np.arange(1, 7) / 91**0.5 - 0.03, np.arange(1, 10) / 285**0.5 - 0.045]
    found = table.set_index("scaling").spearman
    assert found[FLOPS] == pytest.approx(spearmanr(np.concatenate(scores), truth).statistic)
    assert found[FLOPS] != pytest.approx(found["l2"])
    grade_run("toy", 0, tmp_path)
    shown = flops.section(read_case_study("toy", [0], tmp_path)).table
    assert shown["ranking"].unique().tolist() == ["the oracle itself"]
    assert shown["all sites"].iloc[0] != shown["all sites"].iloc[-1]


def test_likeness(known):
    grid = alike.agreement_of_criteria(known, ["perfect", "opposite", "constant"])
    assert grid.loc["perfect", "perfect"] == pytest.approx(1)
    assert grid.loc["perfect", "opposite"] == pytest.approx(-1)
    assert np.isnan(grid.loc["perfect", "constant"])
    order = alike.clustered(alike.agreement_of_criteria(known, ["perfect", "opposite", "perfect", "opposite"]))
    assert {abs(order.index(0) - order.index(2)), abs(order.index(1) - order.index(3))} == {1}
    assert alike.section(known).figure is not None


def test_dispersion_by_hand(tmp_path):
    scores = {
        "tied": ("mean", {name: np.minimum(np.arange(maps), 2.0)[None] for name, maps in SITES.items()}),
        "noise": ("mean", {name: np.random.default_rng(0).normal(size=(50, maps)) for name, maps in SITES.items()}),
    }
    write_run(tmp_path, scores=scores)
    run = read_run("toy", 0, tmp_path)
    ties, noisy, spread = dispersion.dispersion(run, "tied")  # 0, 1, 2, 2, 2, 2 and 0, 1, 2 and six more 2
    assert ties == (6 + 21) / (15 + 36)
    assert np.isnan(noisy)
    first, second = np.minimum(np.arange(6), 2), np.minimum(np.arange(9), 2)
    assert spread == pytest.approx((first.std() / first.mean() + second.std() / second.mean()) / 2)
    ties, noisy, _ = dispersion.dispersion(run, "noise")
    assert ties == 0
    assert noisy > 0.8
    assert set(dispersion.section(_study(tmp_path)).table.columns) == {
        "criterion",
        "pairs that tie",
        "pairs not told apart",
        "spread",
    }


def _study(root):
    grade_run("toy", 0, root)
    return read_case_study("toy", [0], root)


@pytest.mark.parametrize("how", ["mean", "mean_abs", "abs_mean"])
def test_the_error_of_a_difference_is_that_of_resampling(how):
    random = np.random.default_rng(1)
    matrix = random.normal(size=(400, 3)) * [1, 2, 1] + [3, -4, 1]
    reduction = REDUCTIONS[how]
    scores = np.array([reduction(matrix[random.integers(0, 400, 400)]) for _ in range(2000)])
    expected = (scores[:, :, None] - scores[:, None]).std(0)
    assert dispersion.error(matrix, reduction) == pytest.approx(expected, rel=0.1, abs=1e-9)


def test_curves_end_at_the_agreement_of_all_examples(known):
    counts, values = sample_size.agreement_curve(known, "perfect")
    assert counts == [4, 8, 16, 32, 64, 128, 200]
    row = known.agreement.query(
        f"criterion == 'perfect' and scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'"
    )
    assert values[-1] == pytest.approx(row.spearman.item())
    assert values[0] < values[-1]
    counts, values = sample_size.oracle_curve(known)
    assert counts[-1] == 100
    assert values[0] < values[-1] < 1
    assert sample_size.section(known).figure is not None


def test_the_ranking_of_criteria_settles(tmp_path):
    random, worth = np.random.default_rng(0), {name: np.arange(maps) + 1.0 for name, maps in SITES.items()}
    guesses = {
        f"off by {far}": ("mean", {name: (true + far * random.normal(size=len(true)))[None] for name, true in worth.items()})
        for far in (0.2, 1, 3, 9)
    }
    write_run(tmp_path, noise=8.0, scores=guesses)
    known = _study(tmp_path)
    found = settling.settling_curve(known.runs[0], list(guesses))
    assert list(found.examples.unique()) == [4, 8, 16, 32, 64, 128]
    few_examples, many = (found[found.examples == count] for count in (4, 128))
    assert few_examples.tau.mean() < many.tau.mean() <= 1
    assert 0 <= many.lost.mean() <= few_examples.lost.mean()
    assert few_examples.lost.mean() > 0
    assert settling.section(known).table.examples.tolist() == ["4", "8", "16", "32", "64", "128"]
    assert settling.settling_curve(known.runs[0], ["off by 1", "off by 3"]).empty


def test_the_papers_table_stands_beside_ours(known):
    table = paper.section([known]).table
    assert table.loc[0, "Taylor"] == "0.73"
    assert table.query("network.str.startswith('AlexNet')").weight.tolist() == ["0.57", "0.67", "0.44"]
    assert table.query("network.str.startswith('AlexNet')")["mutual information"].tolist() == ["", "", ""]
    assert table.query("network == 'toy'").summary.tolist() == ["per site", "all sites", "all sites, ℓ2"]
    assert set(table.query("network == 'toy'")["Taylor"]) == {"undefined"}  # the toy has no such criterion


def test_a_case_never_sees_its_own_oracle_in_the_fit(tmp_path):
    file = tmp_path / "combination.json"
    file.write_text(json.dumps({"members": ["perfect", "opposite"]}))
    write_run(tmp_path, case="a")
    write_run(tmp_path, case="b", seed=1)
    found = fit_weights({case: [read_run(case, seed, tmp_path)] for case, seed in (("a", 0), ("b", 1))}, file)
    assert found == json.loads(file.read_text())
    assert found["without"]["a"] == [1.0, 0.0]
    swapped = {
        "perfect": ("mean", {name: -np.arange(1.0, maps + 1)[None] for name, maps in SITES.items()}),
        "opposite": ("mean", {name: np.arange(1.0, maps + 1)[None] for name, maps in SITES.items()}),
    }
    write_run(tmp_path, case="b", seed=1, scores=swapped)
    again = fit_weights({case: [read_run(case, seed, tmp_path)] for case, seed in (("a", 0), ("b", 1))}, file)
    assert again["without"] == {"a": [0.0, 1.0], "b": [1.0, 0.0]}
    with pytest.raises(BadInput, match="a fit needs two cases at least"):
        fit_weights({"a": [read_run("a", 0, tmp_path)]}, file)
