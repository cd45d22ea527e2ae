"""`pruning-oracle chosen-sets`: what the sets that criteria would remove cost, on examples that nobody saw."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import CASE, command

import pruning_oracle as po
from pruning_oracle.bench import runs


@pytest.fixture
def mine(tmp_path):
    text = CASE.format(label=1, mode=".eval()").replace("torch.full((20,), 1)", "torch.arange(20) % 2")
    (tmp_path / "mine.py").write_text(text)
    return tmp_path


def test_sets_are_measured_on_what_neither_saw(mine, monkeypatch):
    assert command("oracle", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    without = command("chosen-sets", "mine.py", folder=mine)
    assert without.returncode == 2
    assert "no criteria at runs/mine/0: `pruning-oracle compare mine.py` measures both" in without.stderr
    criteria = ["--criteria", "taylor", "weight_l2", "random"]
    assert command("criteria", "mine.py", "--device", "cpu", *criteria, folder=mine).returncode == 0
    done = command("chosen-sets", "mine.py", "--examples", "6", "--device", "cpu", "--json", folder=mine)
    assert done.returncode == 0, done.stderr
    folder = mine / "runs/mine/0"
    oracle, guesses = (runs.load(folder / f"{kind}.safetensors", kind) for kind in ("oracle", "criteria"))
    measured = runs.load(folder / "chosen-sets.safetensors", "sets")
    seen = {*oracle.arrays["rows"].tolist(), *guesses.arrays["fresh/rows"].tolist()}
    assert len(measured.arrays["rows"]) == 6
    assert not seen & set(measured.arrays["rows"].tolist())
    table = pd.read_csv(folder / "sets.csv")
    assert len(table) == 6 * 3 * 7, "choosers, shares, scopes with scalings"
    assert table.flops.between(0, 1).all()
    assert set(table.chooser) == {"taylor", "weight_l2", "random", "oracle_abs", "oracle_loss", "oracle_mean_abs"}
    np.testing.assert_allclose(table.joint_loss, measured.arrays["joint"].mean(0), atol=1e-6)
    assert (table.groupby(["scope", "share"]).regret.min() == 0).all()
    assert [row["chooser"] for row in json.loads(done.stdout)["sets"]] == table.chooser.tolist()
    again = command("chosen-sets", "mine.py", "--examples", "6", "--device", "cpu", folder=mine)
    assert "up to date" in again.stdout
    monkeypatch.chdir(mine)
    truth, scores = po.read("runs/mine/0/oracle.safetensors"), po.read("runs/mine/0/criteria.safetensors")
    sets = po.chosen_sets(truth, scores)
    losses = po.read("runs/mine/0/chosen-sets.safetensors")
    np.testing.assert_allclose(po.regrets(sets, losses).joint_loss, table.joint_loss, atol=1e-6)
    with pytest.raises(po.BadInput, match="the joint losses are of other sets"):
        po.regrets(sets[1:], losses)


def test_rows_of_a_repair_are_beside_those_without(mine):
    assert command("oracle", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    assert command("criteria", "mine.py", "--device", "cpu", "--criteria", "taylor", folder=mine).returncode == 0
    words = ["chosen-sets", "mine.py", "--examples", "6", "--device", "cpu"]
    assert command(*words, folder=mine).returncode == 0
    plain = pd.read_csv(mine / "runs/mine/0/sets.csv", keep_default_na=False)
    done = command(*words, "--repair", "bias", "--repair-examples", "8", folder=mine)
    assert done.returncode == 0, done.stderr
    assert "after the repair bias" in done.stdout
    table = pd.read_csv(mine / "runs/mine/0/sets.csv", keep_default_na=False)
    assert table.repair.tolist() == ["none"] * len(plain) + ["bias"] * len(plain)
    pd.testing.assert_frame_equal(table[: len(plain)], plain)
    file = runs.load(mine / "runs/mine/0/chosen-sets.safetensors", "sets")
    np.testing.assert_allclose(table.joint_loss[len(plain) :], file.arrays["repaired"].mean(0), atol=1e-6)
    assert (table[table.repair == "bias"].groupby(["scope", "share"]).regret.min() == 0).all(), "among the repaired"


@pytest.mark.parametrize(
    ("examples", "message"), [("11", "11 examples asked for that neither oracle nor criteria saw; there are 10 of 20")]
)
def test_too_many_examples_are_refused(mine, examples, message):
    assert command("oracle", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    assert command("criteria", "mine.py", "--device", "cpu", "--criteria", "taylor", folder=mine).returncode == 0
    done = command("chosen-sets", "mine.py", "--examples", examples, folder=mine)
    assert done.returncode == 2
    assert message in done.stderr
