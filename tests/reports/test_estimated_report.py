"""An estimated oracle in reports: it is called so, its errors widen intervals, and its section is made of records."""

import json

import numpy as np
import pytest
from written_runs import SITES, write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.scores import REDUCTIONS
from pruning_oracle.reports.agreement.grade import grade
from pruning_oracle.reports.agreement.noise_ceiling import MEAN, ceilings
from pruning_oracle.reports.agreement.tables import maps_table
from pruning_oracle.reports.inputs import records
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.report import grade_run, read_case_study
from pruning_oracle.reports.sections import estimated, sample_size, settling


def estimate(root, error):
    """Makes a written run's oracle an estimated one, with these errors of every map."""
    path = runs.folder("toy", 0, root) / "oracle.safetensors"
    file = runs.load(path, "oracle")
    more = {f"error/{site}": np.full(file.arrays[f"change/{site}"].shape[1], error) for site in SITES}
    runs.save(path, "oracle", file.arrays | more, file.facts | {"estimated": {"share": 0.05}})


def widths(root):
    rows = grade(read_run("toy", 0, root)).query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
    table = maps_table(read_run("toy", 0, root), "fresh")
    return (rows.high - rows.low).mean(), rows.ceiling.mean(), (table.oracle_loss_high - table.oracle_loss_low).mean()


def test_errors_widen_intervals_and_lower_the_ceiling(tmp_path):
    write_run(tmp_path, noise=1.0)
    exact = widths(tmp_path)
    estimate(tmp_path, 0.0)
    assert widths(tmp_path) == pytest.approx(exact)
    estimate(tmp_path, 0.5)
    agreement, ceiling, maps = widths(tmp_path)
    assert agreement > 1.2 * exact[0]
    assert ceiling < exact[1]
    assert maps > 1.2 * exact[2]


def test_halves_of_an_estimated_oracle_are_off_as_if_each_was_estimated_by_itself():
    """Truths and errors of 1, halves off by √2: they correlate by 1 ÷ (1 + 2), and Spearman–Brown makes it a half."""
    truth = np.random.default_rng(0).normal(size=4000)
    found = ceilings(["site"], [np.tile(truth, (10, 1))], REDUCTIONS["mean"], 0, [np.ones(4000)])
    spearman = 6 / np.pi * np.arcsin(1 / 6)  # of two Gaussians that correlate by a third
    assert found["site"] == pytest.approx(2 * spearman / (1 + spearman), abs=0.02)


def test_an_estimated_oracle_is_called_so_and_has_no_oracles_of_parts(tmp_path):
    write_run(tmp_path, noise=1.0)
    grade_run("toy", 0, tmp_path)
    assert "estimated" not in read_case_study("toy", [0], tmp_path).said
    assert any(read_case_study("toy", [0], tmp_path).agreement.criterion.str.startswith("oracle"))
    estimate(tmp_path, 0.1)
    grade_run("toy", 0, tmp_path)
    known = read_case_study("toy", [0], tmp_path)
    assert known.said.endswith("the oracle estimated from 5.0% of all pairs")
    assert not any(known.agreement.criterion.str.startswith("oracle"))
    lines = [line.get_label() for line in sample_size.section(known).figure.axes[0].lines]
    assert lines == ["perfect"]


@pytest.mark.parametrize("whole", [True, False])
def test_the_ranking_by_parts_of_an_estimated_oracle_is_not_shown(tmp_path, whole):
    worth = {site: np.arange(maps) + 1.0 for site, maps in SITES.items()}
    write_run(
        tmp_path,
        noise=1.0,
        scores={f"{power}": ("mean", {s: w[None] ** power for s, w in worth.items()}) for power in (1, 2, -1)},
    )
    if not whole:
        estimate(tmp_path, 0.1)
    grade_run("toy", 0, tmp_path)
    assert (settling.section(read_case_study("toy", [0], tmp_path)) is None) is not whole


TENTH = {"least covered tenth": 0.9, "least covered tenth, in other runs": 0.92}


def trial(case):
    names = ("plain subsample", "+ shrunk")
    return {
        "case": case,
        "examples": 128,
        "maps": 30,
        "device": "none",
        "threads": 2,
        "commit": "c" * 40,
        "versions": {"torch": "2"},
        "curves": [
            {"ingredients": name, "share": share, "seed": seed, "sites": 0.5 + 0.2 * place + seed / 100, "all": 0.5}
            for place, name in enumerate(names)
            for share in (0.05, 0.1)
            for seed in (0, 1)
        ],
        "coverage": [{"share": 0.05, "repeats": 200, "mean": 0.951} | TENTH],
        "promises": [{"spearman": 0.9, "kept": 0.96, "share": 0.034, "repeats": 100}],
        "timings": [
            {"ingredients": name, "share": share, "turn": turn, "seconds": (10 - place) * share, "sites": 0.7, "all": 0.6}
            for place, name in enumerate((*names, "the exact engine"))
            for share in ((0.05, 0.1) if place < 2 else (1.0,))
            for turn in (0, 1)
        ],
    }


def test_the_section_is_made_of_the_newest_record_of_each_network(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ROOT", tmp_path)
    assert records.trials() == []
    assert estimated.section([]) is None
    for folder, case in (("2026-01-01-a", "toy"), ("2026-01-02-b", "toy"), ("2026-01-02-b", "other")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"estimated-{case}.json").write_text(json.dumps(trial(case) | {"device": folder}))
    found = records.trials()
    assert sorted((row["case"], row["device"]) for row in found) == [("other", "2026-01-02-b"), ("toy", "2026-01-02-b")]
    section = estimated.section(found)
    row = section.table.set_index("network").loc["toy"]
    assert row["Spearman at 0.05"] == "0.705 (0.700 to 0.710)"
    assert row["over all sites, 0.05"] == "0.500"
    assert row["times as fast, 0.05"] == "17.8"  # 8 seconds, and 9 times 0.05
    assert row["intervals hold, 0.05"] == "0.951 (0.900; 0.920)"
    assert row["promised 0.9"] == "kept 96% at 3.4%"
    assert "mean of 2 estimated oracles" in section.caption


def test_networks_are_drawn_whole_and_on_one_scale_three_in_a_row():
    trials = [trial(f"toy {place}") for place in range(5)]
    for row in trials[3]["curves"]:
        row["sites"] -= 0.5
    panels = estimated.section(trials).figure.axes
    assert len(panels) == 15
    upper = [panel for panel in panels if panel.get_title()]
    lowest = min(row["sites"] for row in trials[3]["curves"])
    assert len({panel.get_ylim() for panel in upper}) == 1
    assert upper[0].get_ylim()[0] < lowest
    assert len({panel.get_position().x0 for panel in upper}) == 3
