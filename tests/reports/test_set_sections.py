"""Sections about studies of sets say what was measured: their numbers by hand, over seeds and of one."""

import json

import numpy as np
import pandas as pd
import pytest
from pages import facts_of
from set_studies import WRITTEN, write_foretold, write_studies
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.inputs.colours import LIGHT
from pruning_oracle.reports.page.content.studies import pairs, studies
from pruning_oracle.reports.report import grade_run, page_digest, read_case_study, write_page
from pruning_oracle.reports.sections import (
    set_additivity,
    set_better,
    set_foretold,
    set_interactions,
    set_scores,
    set_sensitivity,
)
from pruning_oracle.reports.sections.set_studies import EVERY
from pruning_oracle.reports.sets.studies import over_seeds, read_foretold


def study(root, seeds=(0,), out=None):
    for seed in seeds:
        write_run(root, seed=seed)
        grade_run("toy", seed, root)
    return read_case_study("toy", list(seeds), root, out)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three seeds, whose figures are 0.1 apart."""
    tmp_path = tmp_path_factory.mktemp("three")
    for seed in (0, 1, 2):
        write_studies(tmp_path, seed=seed, shift=0.1 * seed)
    write_foretold(tmp_path / "out/foretell.csv", seeds=3)
    return study(tmp_path, (0, 1, 2), tmp_path / "out")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("one")
    write_studies(tmp_path)
    write_foretold(tmp_path / "out/foretell.csv")
    return study(tmp_path, (0,), tmp_path / "out")


def test_over_seeds_there_is_a_median_with_a_range_and_of_one_seed_its_interval():
    rows = pd.DataFrame({"seed": [0, 1, 2, 2], "key": ["a", "a", "a", "b"], "x": [1.0, 9.0, 2.0, 5.0]})
    rows = rows.assign(low=rows.x - 0.5, high=rows.x + 1)
    a, b = over_seeds(rows, ["key"], "x").to_dict("records")
    assert a == {"key": "a", "value": 2, "from": 1, "to": 9, "seeds": 3}
    assert b["value"] == 5
    assert np.isnan(b["from"]), "one seed of several has no range"
    alone = over_seeds(rows[rows.seed == 2], ["key"], "x").iloc[0]
    assert alone.tolist() == ["a", 2, 1.5, 3, 1]


def test_scores_are_medians_with_ranges_beside_the_sum_of_measured_changes(three):
    told = set_scores.told(three)
    assert "with 5 % of all maps gone perfect ranks best, 1.00 (0.90 to 1.10)" in told.finding
    assert "against 0.80 (0.70 to 0.90) of the measured single changes, noise ceiling 0.95" in told.finding
    assert "with 20 % of all maps gone perfect ranks best, 0.50 (0.40 to 0.60)" in told.finding
    section = set_scores.section(three)
    table = section.table.set_index("summed scores of")
    assert table.index.tolist() == ["perfect", "single_changes", "oracle_abs", "opposite"]
    assert table.loc["opposite", "LDS, Spearman"] == "−0.70 (−0.80 to −0.60)"
    assert [panel.get_title() for panel in section.figure.axes] == ["5 % of all maps", "20 % of all maps"]
    assert "Median and range over 3 seeds; n = 6 training examples that neither oracle nor criteria saw" in section.caption


def test_of_one_seed_the_interval_is_its_own(one):
    assert "perfect ranks best, 0.90 [0.80, 1.00]" in set_scores.told(one).finding
    assert "One seed, with 95 % intervals; n = 6" in set_scores.told(one).how
    assert "float32 on a $b$ chip, commit c0ffee" in set_scores.told(one).how


def test_changes_add_where_the_ratio_is_one_and_what_may_be_0_is_undefined(three):
    told = set_additivity.told(three)
    rows = told.rows.set_index(["of", "what"])
    known = rows.loc[("10 % of the maps", "all sites")]
    assert (known.value, known["from"], known["to"]) == pytest.approx((2.1, 2.0, 2.2))
    assert (known.single, known.joint) == pytest.approx((0.4, 0.84))
    assert (known.low, known.high) == pytest.approx((0.74, 0.94))  # the sum and the difference's bounds
    assert np.isnan(rows.loc[("10 % of the maps", "first"), "value"])
    assert "20 % of all maps cost 2.10 (2.00 to 2.20) times the sum" in told.finding
    assert "20 % of the maps cost 1.10 (1.00 to 1.20) times at second" in told.finding
    assert told.summary.what.tolist() == ["a random 10 % of all maps", "a random 20 % of all maps"]
    table = set_additivity.section(three).table.set_index("site")
    assert table.loc["first", "joint loss ÷ sum"] == "undefined"
    assert [panel.get_title() for panel in set_additivity.section(three).figure.axes if panel.get_visible()] == [
        *("10 % of the maps", "20 % of the maps")
    ]


def test_sensitivity_names_the_costliest_and_the_cheapest_site(three):
    told = set_sensitivity.told(three)
    assert told.choices[0].first == "perfect"
    said = "50 % of a site, chosen by perfect, cost most at second, 1.10 (1.00 to 1.20) nats, and least at first, 0.150 (0.0500"
    assert said in told.finding
    half = told.summary[(told.summary.chooser == "opposite") & (told.summary.gone == "50 % of the site's maps")]
    assert dict(zip(half.what, half.value, strict=True)) == pytest.approx(
        {"costliest site": 10.1, "middle of the sites": 5.35, "cheapest site": 0.6}
    )
    assert half["from"].iloc[0] == pytest.approx(10.0)


def test_a_better_set_is_told_by_how_much_less_it_costs(three, one):
    said = set_better.told(three).finding
    assert "25 % of all sites: the set of greedy costs 0.700 nats, less than the best criterion's (perfect)" in said
    assert "difference −0.300 (−0.400 to −0.200); that of oracle_abs, the paper's oracle, 2.10 (2.00 to 2.20) more" in said
    table = set_better.section(one).table
    assert table["chosen by"].tolist() == ["greedy", "oracle_abs"], "neither criteria nor the same on fewer examples"
    assert table.iloc[0].tolist() == ["greedy", "0.600", "−0.400 [−0.500, −0.300]"]
    marks = [line for panel in set_better.section(one).figure.axes for line in panel.get_lines() if line.get_marker() == "X"]
    assert len(marks) == 4, "two choosers in two panels"


def test_interactions_are_means_by_the_drawing_and_curvature_is_graded(one):
    told = set_interactions.told(one)
    magnitude = told.rows[told.rows.kind == "mean magnitude"].set_index(["what", "other"])
    assert magnitude.loc[("second", "second"), "value"] == pytest.approx(0.4)
    assert magnitude.loc[("second", "first"), "value"] == magnitude.loc[("first", "second"), "value"] == pytest.approx(0.2)
    signed = told.rows[told.rows.kind == "mean"].set_index(["what", "other"])
    assert signed.loc[("first", "second"), "value"] == pytest.approx(-0.2)
    within = (0.3 * 1 + 0.4 * 4) / 5  # by 1 ÷ probability
    half = 1.96 * ((1 - 0.25) * (4 * (0.4 - within)) ** 2) ** 0.5 / 5  # the other pair was sure to be drawn
    assert (
        f"nats: {within:.3f} [{within - half:.3f}, {within + half:.3f}] within a site, 0.200 across sites;"
        " the largest lie within second, 0.400" in told.finding
    )
    assert "Spearman 0.80 [0.70, 0.90] over pairs within a site" in told.finding
    assert told.summary.figure.nunique() == 2
    assert set_interactions.section(one).table.shape == (4, 4)


def test_what_foretells_leaves_the_same_sets_aside(one, tmp_path):
    told = set_foretold.told(one)
    assert "“joint loss, all sites” by “LDS, 5%”, τ 0.70 [0.50, 0.80]" in told.finding
    assert told.rows.what.tolist() == ["joint loss, 25% of all sites", "LDS, 5%", "oracle_abs, all sites"]
    assert "Of 1 seed, with 95 % intervals over criteria, which are drawn anew (up to 7 of them)" in told.how
    write_foretold(tmp_path / "foretell.csv", seeds=3)
    assert read_foretold(tmp_path / "foretell.csv", "toy", 1) is None, "of other seeds than the report's"
    assert len(read_foretold(tmp_path / "foretell.csv", "toy", 3)) == 3


def test_what_was_not_measured_leaves_no_section(tmp_path):
    bare = study(tmp_path)
    assert [module.section(bare) for module in EVERY] == [None] * 6
    assert studies(bare) == []
    assert pairs(bare) == {}


def test_a_study_of_other_weights_is_left_out(tmp_path, capsys):
    write_studies(tmp_path, tables=("interactions",), weights="w2")
    assert study(tmp_path).studies == {}
    assert "interactions.csv, which is of other weights: `pruning-oracle interactions` makes it anew" in capsys.readouterr().out


def test_a_study_of_some_seeds_says_so(tmp_path):
    write_studies(tmp_path, seed=1)
    told = set_scores.told(study(tmp_path, (0, 1)))
    assert "0.90 [0.80, 1.00]" in told.finding
    assert told.how.startswith("One seed")
    assert list(pairs(read_case_study("toy", [0, 1], tmp_path))) == ["1/pairs", "1/pair"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_damaged_table_is_refused(tmp_path, name):
    write_studies(tmp_path)
    path = runs.folder("toy", 0, tmp_path) / f"{name}.csv"
    text = path.read_text()
    path.write_text(text.replace(",n,", ",m,", 1))
    with pytest.raises(BadInput, match=rf"{name}.csv is damaged: it lacks"):
        study(tmp_path)


def test_sites_and_maps_that_are_not_there_are_refused(tmp_path):
    write_studies(tmp_path)
    path = runs.folder("toy", 0, tmp_path) / "interactions.csv"
    text = path.read_text()
    path.write_text(text.replace("second,8", "third,8"))
    with pytest.raises(BadInput, match="column site_b names a site that the network does not have"):
        study(tmp_path)
    path.write_text(text.replace("second,8", "second,9"))
    with pytest.raises(BadInput, match="it names a map that no site has"):
        pairs(study(tmp_path))


def test_the_page_holds_pairs_numbered_over_all_sites(three):
    found = pairs(three)
    assert found["0/pairs"].tolist() == [[0, 1], [0, 8], [8, 14]]
    np.testing.assert_allclose(found["2/pair"][1], [0, -0.1, 0.1, 0.5, 0.5], atol=1e-12)


def test_a_criterion_has_the_colour_of_its_family(three):
    lines = set_scores.section(three).figure.axes[0].get_lines()
    colours = {line.get_color() for line in lines if line.get_marker() in "os^D"}
    assert colours <= set(LIGHT)
    assert colours


@pytest.mark.slow
def test_figures_lie_beside_the_page_which_follows_their_files(tmp_path):
    write_studies(tmp_path)
    write_foretold(tmp_path / "out/foretell.csv")
    study(tmp_path)
    out = tmp_path / "out"
    write_page(["toy"], [0], tmp_path, out)
    names = ("better", "lds", "additivity", "sensitivity", "interactions", "foretold")
    assert all((out / f"toy-sets-{name}.{form}").is_file() for name in names for form in ("png", "pdf"))
    facts = facts_of(out / "index.html")
    assert [one["name"] for one in facts["networks"][0]["studies"]] == list(names)
    assert "NaN" not in json.dumps(facts)
    before = page_digest(["toy"], [0], tmp_path, out, ["toy"])
    write_studies(tmp_path, shift=0.3, tables=("additivity",))
    changed = page_digest(["toy"], [0], tmp_path, out, ["toy"])
    assert changed != before
    write_foretold(out / "foretell.csv", seeds=2)
    assert page_digest(["toy"], [0], tmp_path, out, ["toy"]) != changed
