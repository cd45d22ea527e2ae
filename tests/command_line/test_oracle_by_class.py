"""`oracle --by class` and `--by example`: tables of what was measured, without measuring anything again."""

import json

import pandas as pd
import pytest
from commands import CASE, command

from pruning_oracle.bench import runs

WORDS = ("oracle", "mine.py", "--examples", "6", "--device", "cpu")


@pytest.fixture
def mine(tmp_path):
    text = CASE.format(label=1, mode=".eval()").replace("torch.full((20,), 1)", "torch.arange(20) % 2")
    (tmp_path / "mine.py").write_text(text.replace("@case\n", "@case(classes=['rose', '=2+3'])\n"))
    return tmp_path


def test_tables_by_class_and_by_example(mine, monkeypatch):
    done = command(*WORDS, "--by", "class", folder=mine)
    assert done.returncode == 0, done.stderr
    assert "the maps that each class needs most" in done.stdout
    monkeypatch.setattr("pruning_oracle.oracle.run.measure", lambda *given: pytest.fail("measured again"))
    answer = json.loads(command(*WORDS, "--by", "class", "--json", folder=mine).stdout)
    assert answer["up to date"]
    table = pd.read_csv(mine / answer["by class"]["table"])
    assert list(table.columns[:7]) == ["case", "seed", "site", "map", "class", "name", "n"]
    oracle = runs.load(mine / "runs/mine/0/oracle.safetensors", "oracle")
    change, labels = oracle.arrays["change/0"], oracle.arrays["labels"]
    for row in table.itertuples():
        assert row.change == pytest.approx(change[labels == row[5], row.map].mean(), rel=1e-5, abs=1e-9)
    assert set(table.name) == {"rose", "'=2+3"}  # no formula for a spreadsheet
    needs = answer["by class"]["maps by class"]
    assert {row["class"] for row in needs} == set(labels.tolist())
    assert needs[0]["change"] == pytest.approx(change[labels == needs[0]["class"]].mean(0).max())
    answer = json.loads(command(*WORDS, "--by", "example", "--json", folder=mine).stdout)
    table = pd.read_csv(mine / answer["by example"]["table"])
    first = table[(table["map"] == 1) & (table.place == 1)].iloc[0]
    assert first.row == oracle.arrays["rows"][change[:, 1].argmax()]
    assert "(rose): " in command(*WORDS, "--by", "example", folder=mine).stdout


def test_an_estimated_oracle_says_why_it_has_no_intervals(mine):
    done = command(*WORDS, "--budget", "0.5", "--by", "class", folder=mine)
    assert done.returncode == 0, done.stderr
    assert "of means count predictions of the estimated oracle, and have no interval" in done.stdout


def test_a_class_with_one_example_is_said(mine):
    done = command("oracle", "mine.py", "--rows", "0,1,3,5", "--device", "cpu", "--by", "class", folder=mine)
    assert "1 of 2 classes have one example, and no interval" in done.stdout


def test_mistakes_are_said_before_anything_is_measured(mine):
    done = command(*WORDS, "--by", "clas", folder=mine)
    assert (done.returncode, "unknown --by 'clas'" in done.stderr) == (2, True)
    text = (mine / "mine.py").read_text().replace("torch.arange(20) % 2", "torch.rand(20, 2)")
    text = text.replace("examples=5", "examples=5, loss=lambda output, labels: (output - labels).square().mean(1)")
    (mine / "mine.py").write_text(text)
    done = command(*WORDS, "--by", "class", folder=mine)
    assert done.returncode == 2
    assert "mine: --by class needs labels that are one whole number for each example" in done.stderr
    place = mine / "runs/mine/0/by-example.csv"
    place.parent.mkdir(parents=True)
    place.write_text("my notes")
    done = command(*WORDS, "--by", "example", folder=mine)
    assert (done.returncode, "by-example.csv is no table by example of this suite" in done.stderr) == (2, True)
    assert not (place.parent / "oracle.safetensors").exists()
