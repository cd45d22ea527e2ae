"""Tables carry their source: version, commit, machine, libraries, seeds, examples, days, and how to cite them."""

import json

import pandas as pd
import pytest
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.inputs.csvw import COLUMNS, beside, write_agreement
from pruning_oracle.reports.inputs.read import read_shown_run
from pruning_oracle.reports.inputs.source import sentences, source
from pruning_oracle.reports.report import grade_run, write_page


@pytest.fixture(autouse=True)
def _nothing_is_drawn(monkeypatch):
    monkeypatch.setattr("pruning_oracle.reports.report.render", lambda *given: None)


KNOWN = {"suite": "0.1.0", "processor": "a processor", "device": "a GPU", "threads": 4, "versions": {"torch": "2.15"}}


def noted(root, case="toy", seed=0, **facts):
    """A run whose files say what the suite notes."""
    folder = write_run(root, case=case, seed=seed)
    for kind in ("oracle", "criteria"):
        file = runs.load(folder / f"{kind}.safetensors", kind)
        runs.save(file.path, kind, file.arrays, file.facts | KNOWN | {"when": f"2026-11-{20 + seed}T01:02:03Z"} | facts)
    grade_run(case, seed, root)
    return read_shown_run(case, seed, root)


def test_what_runs_say_is_gathered_once_each(tmp_path):
    of = source([noted(tmp_path), noted(tmp_path, seed=1, commit="def"), noted(tmp_path, case="other", seed=3)])
    assert (of["suite"], of["commit"], of["measured"]) == ("0.1.0", "abc, def", ["2026-11-20", "2026-11-23"])
    assert (of["hardware"], of["libraries"]) == (["a GPU beside a processor, 4 threads"], ["torch 2.15"])
    assert {case: about["seeds"] for case, about in of["cases"].items()} == {"toy": [0, 1], "other": [3]}
    assert "note         = {Commit abc, def}" in of["bibtex"]
    assert sentences(of) == [
        "Measured by Pruning Oracle 0.1.0, commit abc, def, on 2026-11-20 to 2026-11-23.",
        "Hardware: a GPU beside a processor, 4 threads. Libraries: torch 2.15.",
        "toy: seeds 0, 1 with 200 oracle and 200 fresh examples each, float32.",
        "other: seed 3 with 200 oracle and 200 fresh examples, float32.",
    ]


def test_what_a_file_does_not_say_is_unknown(tmp_path):
    write_run(tmp_path)
    of = source([read_shown_run("toy", 0, tmp_path)])
    assert sentences(of)[0] == "Measured by Pruning Oracle unknown, commit abc, on an unknown day."


def test_an_estimated_oracle_is_called_one(tmp_path):
    of = source([noted(tmp_path)])
    of["cases"]["toy"]["share of pairs measured"] = 0.05
    assert sentences(of)[-1].endswith("float32, oracle estimated from 5.0% of all pairs.")


def test_every_table_of_a_report_says_where_it_comes_from(tmp_path):
    run = noted(tmp_path / "runs")
    write_page(["toy"], [0], tmp_path / "runs", tmp_path)
    assert pd.read_csv(tmp_path / "agreement.csv").columns.tolist() == list(COLUMNS)
    about = json.loads((tmp_path / "agreement.csv-metadata.json").read_text())
    assert about["url"] == "agreement.csv"
    assert [column["name"] for column in about["tableSchema"]["columns"]] == list(COLUMNS)
    assert about["notes"] == [source([run])] == [json.loads((tmp_path / "runs/toy/0/tables.json").read_text())["source"]]
    said = " ".join(sentences(source([run])))
    assert said in about["dc:source"]
    assert f"\n\n{said} How to cite: `pruning-oracle cite`.\n" in (tmp_path / "agreement.md").read_text()
    for name in ("agreement.tex", "agreement-full.tex"):
        lines = (tmp_path / name).read_text().splitlines()
        assert {f"% {sentence}" for sentence in sentences(source([run]))} <= set(lines)


def test_the_types_of_columns_are_true(tmp_path):
    table = pd.read_csv(noted(tmp_path).oracle.path.parent / "agreement.csv")
    kinds = {"integer": "i", "number": "f", "string": "O"}
    for name, (kind, _) in COLUMNS.items():
        assert table[name].dtype.kind in kinds[kind] or kind == "string", name


def test_names_in_the_source_of_markdown_are_no_markup(tmp_path):
    noted(tmp_path / "runs", processor="<b>|\n# x", device="y")
    write_page(["toy"], [0], tmp_path / "runs", tmp_path)
    last = (tmp_path / "agreement.md").read_text().splitlines()[-1]
    assert r"y beside \<b>\|\n# x, 4 threads" in last
    assert not [line for line in (tmp_path / "agreement.tex").read_text().splitlines() if line.startswith("# x")]


def test_neither_file_is_written_where_another_lies(tmp_path):
    run, path = noted(tmp_path / "runs"), tmp_path / "mine.csv"
    table = pd.read_csv(run.oracle.path.parent / "agreement.csv")
    beside(path).write_text("theirs")
    with pytest.raises(BadInput, match=r"mine.csv-metadata.json is no description of a table of this suite"):
        write_agreement(path, table, source([run]))
    assert not path.exists()
    beside(path).unlink()
    for _ in range(2):
        write_agreement(path, table, source([run]))
    assert json.loads(beside(path).read_text())["url"] == "mine.csv"
