"""The oracles that ship: they are what the suite measures now, stand for nothing else, and are renewed where they differ."""

import dataclasses
import json

import numpy as np
import pytest
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.setting import fingerprint, network_facts
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.regression import baseline, shipped_oracles
from pruning_oracle.reports.regression.shipped_oracles import FOLDER, ROUNDING, WEIGHTS, difference, path, renew, unfit

SHIPPED = [tuple(file.stem.rsplit("-", 1)) for file in sorted(WEIGHTS.glob("*.safetensors"))]
FEW = 4  # examples that are measured anew where not all are


def of_rows(arrays, rows):
    """The oracle of some of the examples."""
    return {name: array[rows] for name, array in arrays.items()}


def held_to(case, shipped, measured, rows):
    found = {f"change/{name}": change.numpy() for name, change in measured.changes.items()} | {"kept": measured.kept.numpy()}
    for site in case.sites:
        assert difference(of_rows(shipped.arrays, rows), found, site.name) <= ROUNDING, f"{shipped.path} at {site.name}"
    assert np.allclose(shipped.arrays["kept"][rows], found["kept"], atol=ROUNDING)


@pytest.mark.parametrize(
    ("name", "seed"), [pytest.param(*one, marks=[] if one[1] == "0" else [pytest.mark.slow]) for one in SHIPPED]
)
def test_what_ships_is_what_the_suite_measures_now(name, seed):
    """Its weights, its examples and its sites; and on a few examples its numbers, by the usual engine and by the definition."""
    case, shipped = load(name, int(seed)), runs.load(path(name, int(seed)), "oracle")
    rows, _ = ExampleChoice().split(case)
    assert shipped.facts["weights"] == runs.digest(state_dict.arrays(case.model))
    assert shipped.facts["data"] == fingerprint(case.train, rows)
    assert shipped.facts["sites"] == json.loads(json.dumps(network_facts(case)["sites"]))
    assert shipped.arrays["rows"].tolist() == rows
    places = list(range(0, len(rows), len(rows) // FEW))[:FEW]
    own = [rows[place] for place in places]
    held_to(case, shipped, measure(case, Replay(case), own, FEW), places)
    site, batch = case.sites[int(seed) % len(case.sites)], next(case.batches(case.train, own, FEW))
    literally = literal(case, site, batch).numpy()
    assert np.allclose(of_rows(shipped.arrays, places)[f"change/{site.name}"], literally, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
def test_the_whole_of_one_is_what_the_suite_measures_now():
    case, shipped = load("r3dcnn-gestures", 0), runs.load(path("r3dcnn-gestures", 0), "oracle")
    rows, _ = ExampleChoice().split(case)
    held_to(case, shipped, measure(case, Replay(case), rows, 128), list(range(len(rows))))


def test_there_is_one_for_all_weights_that_ship_and_no_other_file():
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}-{seed}.safetensors" for name, seed in SHIPPED}
    assert len(SHIPPED) == 9
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 7e6
    for file in FOLDER.iterdir():
        facts = runs.load(file, "oracle").facts
        assert facts["shipped"] is True
        assert {"commit", "processor", "when", "versions", "libraries", "seconds", "command"} <= facts.keys()
        assert (facts["engine"], facts["precision"], "estimated" in facts) == ("replay", "float32", False)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A run of a case whose weights ship, and the folder of the oracles that ship."""
    monkeypatch.setattr(shipped_oracles, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/toy-0.safetensors").touch()
    write_run(tmp_path / "runs")
    return read_run("toy", 0, tmp_path / "runs"), tmp_path / "oracles"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({}, ""),
        ({"weights": "w2"}, "the one that ships is of other weights"),
        ({"shared": {"data": "d2", "examples": 200}}, "the one that ships is of other examples"),
        ({"sites": [{"name": "first", "maps": 6}]}, "the one that ships is of other sites"),
        ({"precision": "float64", "weights": "w2"}, "the one that ships is of other weights and precision"),
        ({"seed": 1}, "none ships"),
        ({"sources": {"stage": "new", "case": "new", "criteria": "new"}, "libraries": {"torch": "99"}}, ""),
    ],
    ids=["same", "weights", "examples", "sites", "precision", "seed", "code"],
)
def test_it_stands_for_these_weights_and_examples_alone_whatever_the_code(toy, other, reason):
    run, folder = toy
    assert renew(run, folder)
    criteria = dataclasses.replace(run.criteria, facts=run.criteria.facts | other)
    assert unfit(criteria, folder) == reason


def test_a_shipped_oracle_grades_criteria_of_newer_code_and_a_measured_one_does_not(toy, tmp_path):
    run, folder = toy
    renew(run, folder)
    facts = run.criteria.facts | {"sources": {"stage": "c1", "case": "newer", "criteria": "t"}}
    runs.save(run.criteria.path, "criteria", run.criteria.arrays, facts)
    with pytest.raises(BadInput, match="are of different sources of the case"):
        read_run("toy", 0, tmp_path / "runs")
    run.oracle.path.write_bytes(path("toy", 0, folder).read_bytes())
    assert np.array_equal(read_run("toy", 0, tmp_path / "runs").change("first"), run.change("first"))
    facts["weights"] = "w2"
    runs.save(run.criteria.path, "criteria", run.criteria.arrays, facts)
    with pytest.raises(BadInput, match="are of different weights"):
        read_run("toy", 0, tmp_path / "runs")


def test_it_is_renewed_where_it_differs_by_more_than_rounding(toy):
    run, folder = toy

    def measured(factor=1.0, **facts):
        arrays = {name: array * factor if name == "change/second" else array for name, array in run.oracle.arrays.items()}
        return dataclasses.replace(run, oracle=dataclasses.replace(run.oracle, arrays=arrays, facts=run.oracle.facts | facts))

    assert renew(run, folder)
    assert set(runs.load(path("toy", 0, folder), "oracle").arrays) == {"change/first", "change/second", "kept"}
    assert not renew(measured(1 + 1e-6, when="later"), folder)
    assert not renew(measured(1.1, estimated={"share": 0.1}), folder)
    assert not renew(measured(1.1, fill={"name": "mean", "examples": 6}), folder)
    assert renew(measured(1.001), folder)
    assert not renew(dataclasses.replace(run, seed=1), folder), "whose weights do not ship"
    assert [file.name for file in folder.iterdir()] == ["toy-0.safetensors"]


def test_it_is_renewed_beside_the_suites_own_baselines_and_no_others(toy, tmp_path, monkeypatch):
    run, folder = toy
    monkeypatch.setattr(shipped_oracles, "FOLDER", folder)
    monkeypatch.setattr(baseline, "FOLDER", tmp_path / "own")
    assert shipped_oracles.renew_beside([run], tmp_path / "elsewhere") == []
    assert not folder.exists()
    assert shipped_oracles.renew_beside([run], tmp_path / "own") == [0]
    assert shipped_oracles.renew_beside([run], tmp_path / "own") == []
