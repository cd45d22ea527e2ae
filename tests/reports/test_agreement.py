"""Agreement against scipy, against known answers, and against the files it writes."""

from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest
from pages import facts_of
from scipy.stats import kendalltau, spearmanr
from written_runs import SITES, write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import REDUCTIONS, l2
from pruning_oracle.command_line.grading import table as print_agreement
from pruning_oracle.command_line.groups import RunsOptions
from pruning_oracle.reports.agreement.correlation import kendall, mean_over_sites, spearman
from pruning_oracle.reports.agreement.grade import grade
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN, ceilings
from pruning_oracle.reports.agreement.resampling import draws, interval
from pruning_oracle.reports.agreement.tables import maps_table
from pruning_oracle.reports.inputs import records
from pruning_oracle.reports.inputs.read import read_run, read_table
from pruning_oracle.reports.report import grade_run, read_case_study
from pruning_oracle.reports.report import write_page as page
from pruning_oracle.reports.sections.section import number, over_seeds
from pruning_oracle.reports.sections.summaries import summary


def test_spearman_is_scipys_with_ties_and_along_the_last_axis():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (7, 20)).astype(float), random.normal(size=(7, 20))
    expected = [spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert spearman(first, second) == pytest.approx(expected)
    assert kendall(first[0], second[0]) == pytest.approx(kendalltau(first[0], second[0]).statistic)


def test_what_cannot_be_ranked_is_undefined():
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.arange(2.0), np.arange(2.0)))
    assert np.isnan(kendall(np.ones(5), np.arange(5.0)))
    assert number(float("nan")) == "undefined"
    assert number(-0.5) == "−0.50"
    assert mean_over_sites([np.array(0.5), np.array(np.nan), np.array(0.1)]) == pytest.approx(0.3)
    assert np.isnan(mean_over_sites([np.array(np.nan)]))


def test_l2_makes_every_site_a_unit_vector_and_keeps_zeros():
    scaled = l2([np.array([3.0, 4.0]), np.zeros(3)])
    assert scaled[0].tolist() == [0.6, 0.8]
    assert scaled[1].tolist() == [0, 0, 0]


def test_a_perfect_an_opposite_and_a_constant_criterion(tmp_path):
    write_run(tmp_path)
    table = grade(read_run("toy", 0, tmp_path)).query("oracle == 'oracle_loss' and examples == 'shared'")
    found = table.set_index(["criterion", "scope", "scaling"]).spearman
    assert found["perfect", "first", "none"] == pytest.approx(1)
    assert found["perfect", MEAN, "none"] == pytest.approx(1)
    assert found["perfect", ALL, "none"] == pytest.approx(1)
    assert found["opposite", MEAN, "none"] == pytest.approx(-1)
    assert np.isnan(found["constant", "second", "none"])
    assert np.isnan(found["constant", MEAN, "none"])
    # by hand: over all sites the constant ℓ2-scaled score is 1/√6 on the smaller maps and 1/√9 on the larger ones
    truth = np.concatenate([np.arange(1, 7), 10 * np.arange(1, 10)])
    assert found["constant", ALL, "l2"] == pytest.approx(spearmanr(np.repeat([6**-0.5, 9**-0.5], [6, 9]), truth).statistic)
    sizes = table.set_index(["criterion", "scope", "scaling"]).maps
    assert sizes["perfect", "first", "none"] == 6
    assert sizes["perfect", ALL, "none"] == 15
    assert sizes["constant", MEAN, "none"] == 0
    assert set(table.n) == {200}


def test_the_ceiling_is_one_without_noise_and_near_zero_when_all_is_noise():
    random = np.random.default_rng(0)
    clean = [np.tile(np.arange(10.0), (50, 1))]
    noise = [random.normal(size=(2000, 60)) for _ in range(20)]
    mean = REDUCTIONS["mean"]
    assert ceilings(["a"], clean, mean, 0)["a"] == pytest.approx(1)
    assert abs(ceilings([str(site) for site in range(20)], noise, mean, 0)[MEAN]) < 0.15


def test_the_ceiling_predicts_the_agreement_of_two_whole_oracles():
    """Spearman–Brown: two oracles on n examples each should agree as the halves of one, corrected, say."""
    random = np.random.default_rng(1)
    predicted, seen = [], []
    for _ in range(60):
        worth = random.normal(size=80)
        first, second = (worth + 8 * random.normal(size=(100, 80)) for _ in range(2))
        predicted.append(ceilings(["a"], [first], REDUCTIONS["mean"], 0)["a"])
        seen.append(spearmanr(first.mean(0), second.mean(0)).statistic)
    assert np.mean(predicted) == pytest.approx(np.mean(seen), abs=0.03)


def test_intervals_hold_repeated_measurements():
    """Over new draws of the examples, the Spearman of a score with the oracle varies as its interval says."""
    random = np.random.default_rng(2)
    worth = random.normal(size=60)
    score = worth + 0.7 * random.normal(size=60)
    values, widths = [], []
    for trial in range(150):
        change = worth + 6 * random.normal(size=(120, 60))
        value = float(spearman(score, change.mean(0)))
        low, high = interval(value, spearman(score[None], draws(120, trial)[:200] @ change), 60)
        assert low < value < high
        values.append(value)
        widths.append((high - low) / 2 / 1.96)
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.2)


def test_an_interval_of_nothing_is_undefined_and_of_certainty_a_point():
    assert np.isnan(interval(float("nan"), np.ones(5), 9)).all()
    assert interval(1.0, np.ones(5), 9) == pytest.approx((1, 1), abs=0.01)
    assert interval(1.0, np.array([1, 0.8, 0.9, 1]), 9)[0] < 0.9


@pytest.mark.parametrize("name", ["maps.csv", "maps-fresh.csv"])
def test_scipy_on_the_maps_file_gives_the_agreement_file(tmp_path, name):
    folder = write_run(tmp_path, noise=5)
    grade_run("toy", 0, tmp_path)
    run = read_run("toy", 0, tmp_path)
    maps, table = read_table(run, folder / name), read_table(run, folder / "agreement.csv")
    examples = "fresh" if "fresh" in name else "shared"
    checked = 0
    for row in table[(table.examples == examples) & table.criterion.isin(maps.columns)].itertuples():
        if row.scope in SITES:
            part = maps[maps.site == row.scope]
        elif row.scope == ALL and row.scaling == "none":
            part = maps
        else:
            continue
        if part[row.criterion].nunique() == 1:
            assert np.isnan(row.spearman)
            continue
        assert row.spearman == pytest.approx(spearmanr(part[row.criterion], part[row.oracle]).statistic)
        assert row.kendall == pytest.approx(kendalltau(part[row.criterion], part[row.oracle]).statistic)
        checked += 1
    assert checked >= 8


def test_the_maps_file_has_a_row_per_map_with_its_interval(tmp_path):
    write_run(tmp_path)
    run = read_run("toy", 0, tmp_path)
    maps = maps_table(run, "shared")
    assert list(maps.columns) == [
        *("site", "map", "oracle_loss", "oracle_abs", "oracle_loss_low", "oracle_loss_high"),
        *("constant", "opposite", "perfect"),
    ]
    assert len(maps) == 15
    change = run.change("second")
    row = maps[(maps.site == "second") & (maps["map"] == 3)].iloc[0]
    error = change[:, 3].std() / np.sqrt(200)
    assert row.oracle_loss == pytest.approx(change[:, 3].mean())
    assert row.oracle_loss_high - row.oracle_loss_low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_a_criterion_that_failed_at_one_seed_is_left_out_of_the_report_of_all(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, case="toy", seed=seed)
    path = runs.folder("toy", 1, tmp_path) / "criteria.safetensors"
    file = runs.load(path, "criteria")
    facts = file.facts | {"left_out_criteria": file.facts["left_out_criteria"] | {"opposite": "another seed"}}
    facts["criteria"] = {name: of for name, of in facts["criteria"].items() if name != "opposite"}
    runs.save(path, "criteria", {name: array for name, array in file.arrays.items() if "/opposite/" not in name}, facts)
    for seed in (0, 1):
        grade_run("toy", seed, tmp_path)
    study = read_case_study("toy", [0, 1], tmp_path)
    assert "opposite" not in set(study.agreement.criterion) > {"perfect", "constant"}
    assert [run.criteria.facts["left_out_criteria"]["opposite"] for run in study.runs] == ["another seed"] * 2
    alone = read_case_study("toy", [0], tmp_path)
    assert "opposite" in set(alone.agreement.criterion)


def test_the_report_is_one_escaped_page_with_its_tables_and_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(records, "ROOT", tmp_path)  # without the committed ones, which grow in number
    write_run(tmp_path / "runs", case="toy", seed=0)
    write_run(tmp_path / "runs", case="toy", seed=1)
    for seed in (0, 1):
        grade_run("toy", seed, tmp_path / "runs")
    page(["toy"], [0, 1], tmp_path / "runs", tmp_path / "out")
    html, facts = (tmp_path / "out" / "index.html").read_text(), facts_of(tmp_path / "out" / "index.html")
    assert facts["criteria"]["perfect"]["says"] == "<b>says</b>"
    assert "<b>says</b>" not in html
    assert "<i>dear (it needs <u>much)" in facts["networks"][0]["trust_said"]
    assert "default-src 'none'" in unescape(html)
    assert next(row for row in facts["networks"][0]["rows"] if row["criterion"] == "constant")["value"] is None
    assert sum(bool(section["files"]) for section in facts["sections"]) == 8
    written = {path.name for path in (tmp_path / "out").iterdir()}
    names = ("heat-map", "loss-change", "oracle-ranks", "scatter", "price", "sample-size", "alike")
    figures = {f"{name}.{form}" for name in ("all-overview", *(f"toy-{name}" for name in names)) for form in ("png", "pdf")}
    assert {file for section in facts["sections"] for file in section["files"]} == figures
    assert written == figures | {
        "index.html",
        "made-from.txt",
        "agreement.csv",
        "agreement.csv-metadata.json",
        "agreement.md",
        "agreement.tex",
        "agreement-full.tex",
    }
    table = pd.read_csv(tmp_path / "out" / "agreement.csv")
    assert list(table.columns) == [
        *("case", "seed", "criterion", "scope", "scaling", "oracle", "examples"),
        *("spearman", "kendall", "low", "high", "ceiling", "maps", "n"),
    ]
    assert set(table.seed) == {0, 1}
    assert "−" not in (tmp_path / "out" / "agreement.tex").read_text()
    print_agreement(RunsOptions(["toy"], [0, 1], tmp_path / "runs"))
    assert "1.00 (1.00 to 1.00)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "w2"}, r"are of different weights \(w1 and w2\): delete one and measure it again"),
        ({"data": "d2"}, r"are of different shared examples \(d1 and d2\)"),
        ({"sites": {"first": 6}}, "are of different sites: delete one"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, change, message):
    ours = write_run(tmp_path)
    theirs = write_run(tmp_path / "other", **change)
    (theirs / "criteria.safetensors").replace(ours / "criteria.safetensors")
    with pytest.raises(BadInput, match=message) as error:
        read_run("toy", 0, tmp_path)
    assert str(ours / "criteria.safetensors") in str(error.value)


def test_runs_measured_by_different_code_are_refused_in_one_report(tmp_path):
    write_run(tmp_path, case="toy", sources="c1")
    write_run(tmp_path, case="other", sources="c2")
    for case in ("toy", "other"):
        grade_run(case, 0, tmp_path)
    with pytest.raises(BadInput, match=r"other.* are of different sources \(c1 and c2\)"):
        page(["toy", "other"], [0], tmp_path, tmp_path / "out")


def test_a_file_moved_to_another_run_is_refused(tmp_path):
    ours, theirs = write_run(tmp_path, seed=0), write_run(tmp_path, seed=1)
    (theirs / "oracle.safetensors").replace(ours / "oracle.safetensors")
    with pytest.raises(BadInput, match="is of toy seed 1, not of toy seed 0"):
        read_run("toy", 0, tmp_path)


def test_too_few_maps_are_refused(tmp_path):
    write_run(tmp_path, sites={"first": 2})
    with pytest.raises(BadInput, match="toy has 2 maps in all; a rank correlation needs at least 3"):
        grade(read_run("toy", 0, tmp_path))


def test_a_missing_table_says_how_to_make_it(tmp_path):
    folder = write_run(tmp_path)
    with pytest.raises(BadInput, match=r"no table with its provenance at .*agreement.csv: `make report`"):
        read_table(read_run("toy", 0, tmp_path), folder / "agreement.csv")


def test_tables_that_were_altered_or_outlived_their_run_are_refused(tmp_path):
    folder = write_run(tmp_path)
    grade_run("toy", 0, tmp_path)
    run, table = read_run("toy", 0, tmp_path), folder / "agreement.csv"
    assert len(read_table(run, table)) > 10
    text = table.read_text()
    table.write_text(text.replace("200", "300"))
    with pytest.raises(BadInput, match="was altered, or made by another grader or from other run files"):
        read_table(run, table)
    table.write_text(text)
    write_run(tmp_path, noise=2)
    with pytest.raises(BadInput, match="was altered, or made by another grader or from other run files"):
        read_table(read_run("toy", 0, tmp_path), table)
    (folder / "tables.json").write_text("{")
    with pytest.raises(BadInput, match="was altered, or made by another grader"):
        read_table(run, table)


def test_seeds_that_were_not_measured_alike_are_refused(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, examples=100)
    for seed in (0, 1):
        grade_run("toy", seed, tmp_path)
    with pytest.raises(BadInput, match=r"are of different examples \(200 and 100\)"):
        page(["toy"], [0, 1], tmp_path, tmp_path / "out")


def test_magnitudes_signs_and_fresh_examples_are_told_apart(tmp_path):
    """Changes of both signs and fresh scores unlike the shared ones: each figure by plain numpy and scipy."""
    random = np.random.default_rng(5)
    worth = random.normal(size=30)
    change = worth + 3 * random.normal(size=(40, 30))
    given = {"guess": ("mean_abs", {"a": worth + 3 * random.normal(size=(40, 30))})}
    given["signed"] = ("abs_mean", {"a": worth + 3 * random.normal(size=(40, 30))})
    folder = write_run(tmp_path, sites={"a": 30}, examples=40, scores=given)
    file = runs.load(folder / "oracle.safetensors", "oracle")
    runs.save(folder / "oracle.safetensors", "oracle", file.arrays | {"change/a": change}, file.facts)
    file = runs.load(folder / "criteria.safetensors", "criteria")
    fresh = {f"fresh/{name}/a": -random.normal(size=(40, 30)) for name in given}
    runs.save(folder / "criteria.safetensors", "criteria", file.arrays | fresh, file.facts)
    grade_run("toy", 0, tmp_path)
    run = read_run("toy", 0, tmp_path)
    table = read_table(run, folder / "agreement.csv").set_index(["criterion", "scope", "oracle", "examples"]).sort_index()
    oracles = {"oracle_abs": np.abs(change.mean(0)), "oracle_loss": change.mean(0)}
    values = set()
    for examples in ("shared", "fresh"):
        matrix = {name: run.saliency(name, "a", examples) for name in given}
        scores = {"guess": np.abs(matrix["guess"]).mean(0), "signed": np.abs(matrix["signed"].mean(0))}
        for name, score in scores.items():
            for oracle, truth in oracles.items():
                found = float(np.ravel(table.loc[(name, "a", oracle, examples)].spearman)[0])
                assert found == pytest.approx(spearmanr(score, truth).statistic)
                values.add(round(found, 6))
    assert len(values) == 8

    def cell(column, scope, examples):
        return float(np.ravel(table.loc[("signed", scope, "oracle_abs", examples)][column])[-1])

    known = read_case_study("toy", [0], tmp_path)
    row = summary(known).set_index("criterion").loc["signed"]
    assert row["shared, per site"].startswith(number(cell("spearman", MEAN, "shared")))
    assert row["fresh, all sites, ℓ2"].startswith(number(cell("spearman", ALL, "fresh")))
    assert summary(known).iloc[-1]["fresh, per site"] == number(cell("ceiling", MEAN, "fresh"))


def test_seeds_are_combined_by_their_median():
    rows = pd.DataFrame({"spearman": [0.9, 0.1, 0.3], "low": 0.0, "high": 1.0})
    assert over_seeds(rows) == "0.30 (0.10 to 0.90)"
    assert over_seeds(rows[:1]) == "0.90 [0.00, 1.00]"


def test_fresh_examples_are_drawn_on_their_own():
    """On shared examples the common noise cancels in the bootstrap; on fresh ones it must not."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(100, 12))
    change = np.arange(12.0) + 20 * noise
    one, other = draws(100, 0), draws(100, 1_000_003)
    same, apart = spearman(one @ change, one @ change), spearman(one @ change, other @ change)
    assert same.std() < 1e-9 < apart.std()
    assert (one != other).any()


def test_the_ceiling_of_all_sites_is_of_all_sites():
    random = np.random.default_rng(3)
    clean, noisy = np.tile(np.arange(20.0), (60, 1)), random.normal(size=(60, 20))
    found = ceilings(["a", "b"], [clean, noisy], REDUCTIONS["mean"], 0)
    assert found["a"] == pytest.approx(1)
    assert abs(found["b"]) < 0.6
    assert found[MEAN] == pytest.approx((found["a"] + found["b"]) / 2)
    assert 0.3 < found[ALL] < 0.999


def test_breaking_the_row_order_is_seen(tmp_path):
    """The bootstrap draws the same examples of both matrices: shuffled rows of the criterion widen the interval."""
    random = np.random.default_rng(0)
    common = 30 * random.normal(size=(200, 1)) * random.normal(size=(1, 9))
    worth = np.arange(9.0)
    change = worth + common
    scores = {"paired": ("mean", {"second": change}), "shuffled": ("mean", {"second": change[random.permutation(200)]})}
    folder = write_run(tmp_path, sites={"second": 9}, scores=scores)
    file = runs.load(folder / "oracle.safetensors", "oracle")
    runs.save(folder / "oracle.safetensors", "oracle", file.arrays | {"change/second": change}, file.facts)
    run = replace(read_run("toy", 0, tmp_path))
    table = grade(run).query("scope == 'second' and oracle == 'oracle_loss' and examples == 'shared'").set_index("criterion")
    assert (table.high - table.low)["paired"] < 0.02
    assert (table.high - table.low)["shuffled"] > 0.1


def test_kendall_is_scipys_with_and_without_ties(monkeypatch):
    random = np.random.default_rng(0)
    for size in (3, 4, 17, 300):
        for ties in (False, True):
            first = random.normal(size=size)
            second = first + random.normal(size=size)
            if ties:
                first, second = np.round(first), np.round(2 * second)
            assert kendall(first, second) == pytest.approx(kendalltau(first, second).statistic, abs=0, nan_ok=True)
    monkeypatch.setattr("pruning_oracle.reports.agreement.correlation.MANY", 2)
    assert kendall(first, second) == kendalltau(first, second).statistic


@pytest.mark.slow
def test_several_processes_draw_the_same_page(tmp_path):
    for case in ("one", "other"):
        write_run(tmp_path, case=case)
        grade_run(case, 0, tmp_path)
    pages = []
    for jobs in (1, 2):
        page(["one", "other"], [0], tmp_path, tmp_path / str(jobs), jobs)
        pages.append({path.name: path.read_bytes() for path in (tmp_path / str(jobs)).iterdir() if path.suffix == ".png"})
    assert pages[0].keys() == pages[1].keys()
    assert len([name for name in pages[0] if name.startswith("other-")]) > 5
    assert all(pages[0][name] == pages[1][name] for name in pages[0])
