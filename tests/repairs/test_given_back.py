"""The committed record of repairs: its summary is that of its rows, and its rows are measured again alike."""

import json

import pytest

from pruning_oracle.bench.loading.load import load
from pruning_oracle.reports.inputs.records import ROOT
from repairs.given_back import given_back, summary


def record():
    return json.loads(sorted(ROOT.glob("*/repairs.json"))[-1].read_text("utf-8"))


def test_the_summary_is_that_of_the_rows():
    found = record()
    assert summary(found["rows"]) == found["summary"]
    for row in found["rows"]:
        assert row["maps"] == round(row["share"] * row["of maps"])
    assert {row["sets"] for row in found["summary"]} == {3, 18}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet-digits", "vgg-digits"])
def test_a_row_is_measured_again(name):
    kept = [row for row in record()["rows"] if row["case"] == name and row["seed"] == 1]
    kept = [row for row in kept if row["chosen by"] == "taylor" and row["share"] == 0.2]
    again = list(given_back(load(name, 1), (0.2,), 0))
    assert [row["repair"] for row in again] == [row["repair"] for row in kept]
    for ours, theirs in zip(again, kept, strict=True):
        for part in ("whole", "removed", "repaired"):
            assert ours[part] == pytest.approx(theirs[part], rel=1e-3)
