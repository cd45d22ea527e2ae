"""`pruning-oracle better-sets` and `interactions`: studies of sets, from a measured run."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import CASE, command

from pruning_oracle.bench import runs


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    text = (
        CASE.format(label=1, mode=".eval()")
        .replace("torch.full((20,), 1)", "torch.arange(20) % 2")
        .replace("1, 3, 1", "1, 8, 1")
    )
    text = text.replace("torch.nn.Linear(12, 2)", "torch.nn.Linear(32, 2)")
    (folder / "mine.py").write_text(text)
    assert command("oracle", "mine.py", "--device", "cpu", folder=folder).returncode == 0
    criteria = ["--criteria", "taylor", "weight_l2", "random"]
    assert command("criteria", "mine.py", "--device", "cpu", *criteria, folder=folder).returncode == 0
    return folder


def test_sets_of_every_kind_are_judged_on_the_same_examples(measured):
    asked = "better-sets", "mine.py", "--device", "cpu", "--examples", "4", "--orders", "4", "--shares", "0.25", "0.5"
    before = command(*asked, folder=measured)
    assert before.returncode == 2
    assert "`pruning-oracle chosen-sets mine.py` measures them" in before.stderr
    assert command("chosen-sets", "mine.py", "--examples", "6", "--device", "cpu", folder=measured).returncode == 0
    done = command(*asked, "--json", folder=measured)
    assert done.returncode == 0, done.stderr
    folder = measured / "runs/mine/0"
    table = pd.read_csv(folder / "better-sets.csv")
    names = {name + reduced for name in ("greedy", "shapley", "pairs") for reduced in ("", "_mean_abs")}
    assert names | {"oracle_rms", "taylor"} <= set(table.chooser)
    assert set(table.share) == {0.25, 0.5}
    chosen = pd.read_csv(folder / "sets.csv").query("share != 0.1")
    same = table.merge(chosen, on=["chooser", "scope", "scaling", "share"], suffixes=("", "_chosen"))
    assert len(same) == len(chosen)
    np.testing.assert_allclose(same.joint_loss, same.joint_loss_chosen, atol=1e-9)
    apart = table.dropna(subset="within_sites")
    assert set(apart.share) == {0.25}
    np.testing.assert_allclose(apart.singles + apart.within_sites + apart.across_sites, apart.joint_loss, atol=1e-6)
    assert (table.groupby(["scope", "share"]).flops.nunique() >= 1).all()
    assert len(pd.read_csv(folder / "shapley.csv")) == 8
    assert [row["chooser"] for row in json.loads(done.stdout)["sets"]] == table.chooser.tolist()
    own = runs.load(folder / "better-sets-own.safetensors", "sets").arrays["rows"].tolist()
    assert set(own) <= set(runs.load(folder / "oracle.safetensors", "oracle").arrays["rows"].tolist())
    again = command(*asked, folder=measured)
    assert again.returncode == 0
    assert pd.read_csv(folder / "better-sets.csv").equals(table)


def test_interactions_are_measured_on_what_nobody_saw(measured):
    asked = ["interactions", "mine.py", "--device", "cpu", "--examples", "6", "--curved", "4", "--pairs", "12", "--random", "3"]
    done = command(*asked, "--json", folder=measured)
    assert done.returncode == 0, done.stderr
    folder = measured / "runs/mine/0"
    file = runs.load(folder / "interactions.safetensors", "sets")
    joint, sets = file.arrays["joint"].astype(float), file.facts["sets"]
    seen = {row for name in ("oracle", "criteria") for row in _rows(folder, name)}
    assert not seen & set(file.arrays["rows"].tolist())
    table = pd.read_csv(folder / "interactions.csv")
    assert len(table) == 12
    for row in table.itertuples():
        places = [sets.index({"0": [row.map_a, row.map_b]}), sets.index({"0": [row.map_a]}), sets.index({"0": [row.map_b]})]
        both, *alone = joint[:, places].mean(0)
        assert row.interaction == pytest.approx(both - sum(alone), abs=1e-6)
        assert row.low <= row.interaction <= row.high
    adding = pd.read_csv(folder / "adding.csv")
    assert adding.share.tolist() == [0.05, 0.1, 0.2]
    np.testing.assert_allclose(adding.singles + adding.pairs + adding.higher, adding.joint_loss)
    assert set(pd.read_csv(folder / "interaction-grades.csv").pairs) == {"within", "all"}, "a network of one site"
    assert (folder / "interactions.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(done.stdout)["adding"][0]["sets"] == 3
    assert command(*asked, folder=measured).returncode == 0
    assert pd.read_csv(folder / "interactions.csv").equals(table)


def _rows(folder, kind):
    arrays = runs.load(folder / f"{kind}.safetensors", kind).arrays
    return [row for name in arrays if name.endswith("rows") for row in arrays[name].tolist()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shares", "0.4"), "--shares 0.4: chosen-sets measures sets of 0.1, 0.25, 0.5 of the maps"),
        (("--shares", "1.5"), "--shares is 1.5; allowed are numbers above 0 up to 1"),
        (("--examples", "2"), "--examples is 2; allowed are whole numbers from 3"),
        (("--orders", "1"), "--orders is 1; allowed are whole numbers from 2"),
        (("--step", "0"), "--step is 0.0; allowed are numbers above 0 up to 1"),
    ],
)
def test_bad_input(measured, words, message):
    assert command("chosen-sets", "mine.py", "--examples", "6", "--device", "cpu", folder=measured).returncode == 0
    done = command("better-sets", "mine.py", *words, folder=measured)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pairs", "0"), "--pairs is 0; allowed are whole numbers from 1"),
        (("--random", "1"), "--random is 1; allowed are whole numbers from 2"),
        (("--curved", "2"), "--curved is 2; allowed are whole numbers from 3"),
        (("--examples", "11"), "11 examples asked for that neither oracle nor criteria saw; there are 10 of 20"),
    ],
)
def test_bad_input_of_interactions(measured, words, message):
    done = command("interactions", "mine.py", *words, folder=measured)
    assert done.returncode == 2
    assert message in done.stderr
