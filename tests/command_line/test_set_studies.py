"""`reference-sets`, `layer-sensitivity` and `foretell`: from a measured run to their tables, resumed, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import CASE, command

import pruning_oracle as po
from pruning_oracle.bench import runs
from pruning_oracle.bench.registry import CASES

CRITERIA = ["--criteria", "taylor", "weight_l2", "random", "fisher", "activation_mean", "gauss_newton"]
UNSEEN = ["--examples", "6", "--device", "cpu"]


@pytest.fixture
def mine(tmp_path):
    text = CASE.format(label=1, mode=".eval()").replace("torch.full((20,), 1)", "torch.arange(20) % 2")
    (tmp_path / "mine.py").write_text(text.replace("Conv2d(1, 3, 1)", "Conv2d(1, 16, 1)").replace("Linear(12,", "Linear(64,"))
    return tmp_path


@pytest.fixture
def measured(mine):
    assert command("oracle", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    assert command("criteria", "mine.py", "--device", "cpu", *CRITERIA, folder=mine).returncode == 0
    return mine


def succeeded(*words, folder):
    done = command(*words, folder=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_everything_from_a_measured_run_to_what_foretells(measured, monkeypatch):
    done = succeeded("reference-sets", "mine.py", *UNSEEN, "--sets", "20", "--json", folder=measured)
    folder = measured / "runs/mine/0"
    seen = runs.load(folder / "criteria.safetensors", "criteria").arrays["fresh/rows"]
    losses = runs.load(folder / "reference-sets.safetensors", "sets")
    assert not set(losses.arrays["rows"]) & set(seen)
    table, added = (pd.read_csv(folder / name) for name in ("reference-sets.csv", "additivity.csv"))
    assert list(table.columns) == [
        "case",
        "seed",
        "chooser",
        "share",
        "scaling",
        "lds",
        "low",
        "high",
        "ceiling",
        "maps",
        "sets",
        "n",
    ]
    assert len(table) == 4 * (2 * (6 + 3) + 1), "shares, scalings, choosers, and sums of what was measured"
    assert set(table.n) == {6}
    assert set(table.sets) == {20}
    assert list(added.scope) == ["all sites"] * 4 + ["0"] * 2, "5 % of 16 maps is one: no set"
    answer = json.loads(done.stdout)
    assert [row["chooser"] for row in answer["scores"]] == table.chooser.tolist()
    assert len(answer["additivity"]) == len(added)
    again = succeeded("reference-sets", "mine.py", *UNSEEN, "--sets", "20", folder=measured)
    assert "up to date" in again.stdout
    assert "| noise ceiling" in again.stdout
    monkeypatch.chdir(measured)
    sets = po.reference_sets(po.load("mine.py"), 20)
    del CASES["mine"]  # other tests have cases of that name
    files = [po.read(f"runs/mine/0/{name}.safetensors") for name in ("oracle", "criteria", "reference-sets")]
    np.testing.assert_allclose(po.datamodeling_scores(*files[:2], sets, files[2]).lds, table.lds, equal_nan=True)

    done = succeeded("layer-sensitivity", "mine.py", *UNSEEN, "--by", "taylor", "random", "--json", folder=measured)
    table = pd.read_csv(folder / "layer-sensitivity.csv")
    assert len(table) == 2 * 9
    assert table.maps.tolist()[:9] == [2, 3, 5, 6, 8, 10, 11, 13, 14]
    assert len(json.loads(done.stdout)["sensitivity"]) == len(table)
    assert (folder / "layer-sensitivity.png").stat().st_size > 1000
    assert (
        "up to date" in succeeded("layer-sensitivity", "mine.py", *UNSEEN, "--by", "taylor", "random", folder=measured).stdout
    )

    refused = command("foretell", "mine.py", folder=measured)
    assert refused.returncode == 2
    assert "no sets.csv at runs/mine/0: `pruning-oracle chosen-sets mine --seed 0` measures it" in refused.stderr
    succeeded("chosen-sets", "mine.py", *UNSEEN, folder=measured)
    succeeded("layer-sensitivity", "mine.py", *UNSEEN, "--by", "all", "--shares", "0.25", "0.5", folder=measured)
    done = succeeded("foretell", "mine.py", folder=measured)
    foretold = pd.read_csv(measured / "report/foretell.csv")
    assert list(foretold.columns) == ["case", "predictor", "outcome", "tau", "low", "high", "first", "criteria", "seeds"]
    assert set(foretold.criteria) == {6}
    assert {"joint loss, 25% of one site", "joint loss, one site, mean over shares"} <= set(foretold.outcome)
    assert "No pruning runs: `make prune` makes them" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reference-sets", "mine.py", "--sets", "9"], "--sets is 9; allowed are whole numbers from 10"),
        (["reference-sets", "mine.py"], "no oracle at runs/mine/0: `pruning-oracle compare mine.py` measures both"),
        (["layer-sensitivity", "mine.py"], "no oracle at runs/mine/0"),
    ],
)
def test_what_is_refused_before_any_work(mine, words, message):
    done = command(*words, folder=mine)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(mine.rglob("*.csv"))


def test_names_and_numbers_that_a_run_lacks_are_refused(measured):
    for words, message in (
        (["layer-sensitivity", "mine.py", "--by", "tailor"], "unknown chooser 'tailor'"),
        (["reference-sets", "mine.py", "--examples", "11"], "11 examples asked for that neither oracle nor criteria saw"),
    ):
        done = command(*words, "--device", "cpu", folder=measured)
        assert done.returncode == 2
        assert message in done.stderr
    assert not list(measured.rglob("*sets.safetensors"))


def test_a_network_of_so_few_maps_that_no_sets_differ_is_refused(mine):
    (mine / "mine.py").write_text(
        (mine / "mine.py").read_text().replace("Conv2d(1, 16, 1)", "Conv2d(1, 2, 1)").replace("64,", "8,")
    )
    done = command("reference-sets", "mine.py", folder=mine)
    assert done.returncode == 2
    assert "reference sets of 2% of all maps: only 2 of 100 differ; a rank needs 3" in done.stderr
