"""The figure of what pruning really costs: its lines and points, its words, and what it leaves out or refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from pages import facts_of
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.provenance import installed
from pruning_oracle.reports import report
from pruning_oracle.reports.report import grade_run, page_digest, read_case_study, write_page
from pruning_oracle.reports.sections import joint_loss
from pruning_oracle.reports.sets.table import write_sets

CHOOSERS = ("perfect", "opposite", "oracle_abs")
FACTS = {"data": "d", "examples": 6, "precision": "float32", "engine": "replay", "sets": [{}], "weights": "w1"}
FACTS |= {"sources": {"stage": "s", "case": "k", "criteria": "t"}, "libraries": {}, "sites": [{"name": "first", "maps": 6}]}
FACTS |= {"device": "a $b$ chip", "threads": 1, "commit": "c0ffee" * 4}


def write_chosen(root, seed=0, repair="batchnorm", choosers=CHOOSERS, shift=0.0, **more):
    """Sets of a share s cost s times 1, 2, 3 for the three choosers, and a tenth of that after a repair."""
    rows = [
        {"chooser": name, "scope": scope, "scaling": "none", "share": share, "maps": 3, "flops": 0.1, "repair": mended}
        | {"joint_loss": cost + shift, "low": cost - 0.01, "high": cost + 0.01}
        | {"regret": 0.0, "regret_low": 0.0, "regret_high": 0.0, "best": "perfect", "n": 6}
        for mended in ("none", *([repair] if repair else []))
        for place, name in enumerate(choosers, 1)
        for scope in ("each site", "all sites")
        for share in (0.1, 0.25, 0.5)
        for cost in [place * share * (1 if mended == "none" else 0.1) * (1 if scope == "each site" else 50)]
    ]
    folder = runs.folder("toy", seed, root)
    write_sets(folder / "sets.csv", pd.DataFrame(rows), "toy", seed)
    said = {"repair": repair, "repair examples": 40} if repair else {}
    runs.save(folder / "chosen-sets.safetensors", "sets", {}, FACTS | {"case": "toy", "seed": seed} | said | more)


def study(root, seeds=(0,)):
    for seed in seeds:
        write_run(root, seed=seed)
        grade_run("toy", seed, root)
    return read_case_study("toy", list(seeds), root)


def lines_of(panel):
    return [(line.get_linestyle(), line.get_color(), list(line.get_ydata())) for line in panel.get_lines()]


def test_lines_are_costs_and_dashed_ones_those_after_the_repair(tmp_path):
    write_chosen(tmp_path)
    found = joint_loss.section(study(tmp_path))
    left, right = found.figure.axes
    drawn = {(style, tuple(np.round(values, 6))) for style, _, values in lines_of(left)}
    assert drawn == {
        ("-", (0.1, 0.25, 0.5)),  # perfect, the cheapest
        ("--", (0.01, 0.025, 0.05)),
        ("-", (0.2, 0.5, 1.0)),  # opposite, which is grey
        ("-", (0.3, 0.75, 1.5)),  # oracle_abs, which is named
        ("--", (0.03, 0.075, 0.15)),
    }
    assert sum(colour == joint_loss.OTHER for _, colour, _ in lines_of(left)) == 1
    assert left.get_yscale() == "log"
    across = sorted(round(values[0], 6) for style, _, values in lines_of(right) if len(values) == 2 and values[0] != 0)
    assert across == [0.075, 0.75], "what the oracle chooses, without and after a repair"
    points = {round(line.get_ydata()[0], 6): line.get_xdata()[0] for line in right.get_lines() if len(line.get_ydata()) == 1}
    assert set(points) == {0.25, 0.025, 0.5, 0.05}
    assert points[0.25] == pytest.approx(1, abs=0.05)
    assert points[0.5] == pytest.approx(-1, abs=0.05)


def test_table_and_caption_say_what_was_measured(tmp_path):
    for seed in (0, 1, 2):
        write_chosen(tmp_path, seed, shift=seed * 0.01)
    found = joint_loss.section(study(tmp_path, (0, 1, 2)))
    table = found.table.set_index("chosen by")
    assert list(table.index) == list(CHOOSERS)
    assert table.loc["opposite", "25%"] == "0.510 (0.500 to 0.520)"
    assert table.loc["opposite", "25%, batchnorm"] == "0.060 (0.050 to 0.070)"
    assert table.loc["oracle_abs", "Spearman of single maps"] == "—"
    said = "n = 6 training examples that neither oracle nor criteria saw, 3 seeds; float32 on a $b$ chip, 1 thread, commit c0ff"
    assert said in found.caption
    assert "after the repair batchnorm, from 40 other training examples, without learning" in found.caption
    assert "after the repair batchnorm (2 criteria); −1 would foretell it." in found.caption


def test_whether_agreement_foretells_the_cost_is_kendalls():
    rows = [
        {"chooser": name, "scope": "each site", "share": 0.25, "repair": repair, "joint_loss": cost}
        for repair, costs in {"none": (1, 3, 2, 0), "both": (3, 2, 1, 0)}.items()
        for name, cost in zip(("a", "b", "c", "oracle_abs"), costs, strict=True)
    ]
    said = joint_loss.foretold(joint_loss.costs(pd.DataFrame(rows)), pd.Series({"a": 0.1, "b": 0.5, "c": 0.9}))
    assert "is 0.33 (3 criteria), −1.00 after the repair both (3 criteria)" in said


def test_of_one_seed_the_table_has_intervals_and_without_a_repair_nothing_is_dashed(tmp_path):
    write_chosen(tmp_path, repair=None, shift=-0.2)
    found = joint_loss.section(study(tmp_path))
    assert found.table.set_index("chosen by").loc["perfect", "10%"] == "−0.100 [0.090, 0.110]"
    assert "Dashed" not in found.caption
    assert {style for style, _, _ in lines_of(found.figure.axes[0])} == {"-"}
    assert found.figure.axes[0].get_yscale() == "symlog", "a set may lower the loss"


def test_a_run_without_sets_or_with_sets_of_another_network_has_no_such_figure(tmp_path, capsys):
    assert joint_loss.section(study(tmp_path)) is None
    write_chosen(tmp_path, weights="w2")
    assert joint_loss.section(read_case_study("toy", [0], tmp_path)) is None
    assert "sets.csv, which is of other weights: `pruning-oracle chosen-sets` makes it anew" in capsys.readouterr().out


def test_the_page_shows_it_and_follows_its_file(tmp_path):
    write_chosen(tmp_path, choosers=("perfect", "<b>$x$ | enemy", "oracle_abs"))
    study(tmp_path)
    out = tmp_path / "report"
    before = page_digest(["toy"], [0], tmp_path, out, ["toy"])
    write_page(["toy"], [0], tmp_path, out)
    assert "What pruning really costs, and what a repair gives back" in json.dumps(facts_of(out / "index.html"))
    assert "<b>$x$" not in (out / "index.html").read_text("utf-8")
    assert (tmp_path / "report/toy-joint-loss.png").is_file()
    write_chosen(tmp_path, shift=0.5)
    assert page_digest(["toy"], [0], tmp_path, out, ["toy"]) != before


def test_the_page_is_made_anew_by_another_version_of_what_draws_it(tmp_path, monkeypatch):
    before = page_digest(["toy"], [0], tmp_path, tmp_path, ["toy"])
    monkeypatch.setattr(report, "installed", lambda package: "7" if package == "altair" else installed(package))
    assert page_digest(["toy"], [0], tmp_path, tmp_path, ["toy"]) != before


def test_a_damaged_table_is_refused(tmp_path):
    write_chosen(tmp_path)
    path = runs.folder("toy", 0, tmp_path) / "sets.csv"
    text = path.read_text()
    for bad, said in {
        text.replace("joint_loss", "loss"): "lacks joint_loss",
        text.replace(",6\n", ",six\n"): "lacks numbers",
    }.items():
        path.write_text(bad)
        with pytest.raises(BadInput, match=rf"sets.csv is damaged: it {said}"):
            study(tmp_path)
