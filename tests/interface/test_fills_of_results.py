"""`fill=` and `--fill`: what results say of it, that they are measured anew for another, and what does not go together."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from commands import CASE, command
from torch import nn

import pruning_oracle as po
from pruning_oracle.bench import runs
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.fill_choice import with_fill
from pruning_oracle.oracle import measure as module
from pruning_oracle.oracle.literal import literal
from pruning_oracle.reports.inputs.read import check_alike, joined_run
from pruning_oracle.reports.inputs.source import source
from pruning_oracle.reports.regression import regress

DATA = torch.randn(60, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.arange(60) % 3
HOW = {"device": "cpu", "precision": "float64"}


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4, 3)]
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def case():
    return po.case(network(), DATA, DATA, examples=12, name="mine")


def test_the_mean_by_hand(case):
    """The first layer's maps are computed here, and their means over the examples that no result has."""
    truth, guesses = po.measure(case, fill="mean", **HOW), po.score(case, "taylor", fill="mean", **HOW)
    rest = set(range(60)) - {*truth.rows, *guesses.file.arrays["fresh/rows"]}
    assert truth.file.facts["fill"]["examples"] == 24 <= len(rest)
    others = list(with_fill(case, "mean", ExampleChoice()).fill.rows)
    assert set(others) <= rest
    layers, inputs, labels = network().double(), DATA[0][truth.rows].double(), DATA[1][truth.rows]
    with torch.no_grad():
        maps, means = layers[:2](inputs), layers[:2](DATA[0][others].double()).mean((0, 2, 3))
        kept = nn.functional.cross_entropy(layers[2:](maps), labels, reduction="none")
        for index in range(4):
            less = maps.clone()
            less[:, index] = means[index]
            changed = nn.functional.cross_entropy(layers[2:](less), labels, reduction="none") - kept
            np.testing.assert_allclose(truth.saliency("0")[:, index], changed.numpy(), atol=1e-9)


@pytest.mark.parametrize("fill", ["mean", "resample"])
def test_sets_of_one_map_cost_what_the_oracle_says(case, fill):
    truth = po.measure(case, fill=fill, **HOW)
    joint = po.joint_loss(case, [{"0": [1]}, {}, {"2": [3]}], fill=fill, **HOW)
    np.testing.assert_allclose(joint.joint[:, 0], truth.saliency("0")[:, 1], atol=1e-12)
    np.testing.assert_allclose(joint.joint[:, 2], truth.saliency("2")[:, 3], atol=1e-12)
    assert not joint.joint[:, 1].any()
    for result in (truth, joint, po.score(case, "taylor", fill=fill, **HOW)):
        assert f", fill {fill} from 24 others" in repr(result)
    assert "fill" not in repr(po.measure(case, **HOW))


def test_another_fill_is_measured_anew_and_the_same_is_read(case, tmp_path):
    place = tmp_path / "oracle.safetensors"
    first = po.measure(case, fill="mean", path=place, **HOW)
    when = first.file.facts["when"]
    assert po.measure(case, fill="mean", path=place, **HOW).file.facts["when"] == when
    other = po.measure(case, fill="resample", path=place, **HOW)
    assert other.file.facts["fill"]["name"] == "resample"
    zero = po.measure(case, path=place, **HOW)
    assert zero.file.facts["fill"] == {"name": "zero"}
    changes = [one.saliency("0") for one in (first, other, zero)]
    assert min(np.abs(one - two).max() for one, two in ((changes[0], changes[1]), (changes[1], changes[2]))) > 1e-4


def test_an_interrupted_oracle_goes_on_with_its_own_fill_alone(case, tmp_path, monkeypatch):
    place, asked = tmp_path / "oracle.safetensors", []

    def stopping(of, held, choices):
        def engine(site, batch):
            asked.append(site.name)
            if len(asked) == stop:
                raise KeyboardInterrupt
            return literal(of, site, batch)

        return engine

    def measured(fill):
        asked.clear()
        return po.measure(case, fill=fill, engine="literal", batch=6, path=place, **HOW)

    monkeypatch.setitem(module.ENGINES, "literal", stopping)
    stop = 4
    with pytest.raises(KeyboardInterrupt):
        measured("mean")
    stop = 0
    other = measured("resample")
    assert len(asked) == 4, "both sites on both blocks"
    mean = measured("mean")
    assert len(asked) == 1, "the rest"
    monkeypatch.undo()
    for found, fill in ((other, "resample"), (mean, "mean")):
        np.testing.assert_allclose(found.saliency("2"), po.measure(case, fill=fill, **HOW).saliency("2"), atol=1e-12)


def test_guesses_of_one_fill_are_not_graded_by_a_truth_of_another(case):
    truths = {fill: po.measure(case, fill=fill, **HOW) for fill in ("zero", "mean", "resample")}
    guesses = {fill: po.score(case, ["taylor", "weight_l2"], fill=fill, **HOW) for fill in truths}
    for one, truth in truths.items():
        for other, guess in guesses.items():
            if one == other:
                with pytest.warns(po.SmallSampleWarning):
                    table = po.agreement(truth, guess)
                assert (f"fill {one}" in repr(table)) == (one != "zero")
                assert source([table.run])["cases"]["mine"].get("fill", "zero") == one
                continue
            with pytest.raises(po.BadInput, match=f"the truth has fill '{one}' and the guesses '{other}': give measure and"):
                po.agreement(truth, guess)
            with pytest.raises(po.BadInput, match=rf"are of different fills \({one} and {other}\)"):
                po.chosen_sets(truth, guess)
    mean = guesses["mean"].file
    moved = dataclasses.replace(mean, facts=mean.facts | {"fill": mean.facts["fill"] | {"rows": "others"}})
    with pytest.raises(po.BadInput, match="are of different examples that fills are taken from"):
        joined_run(truths["mean"].file, moved, "mine", 0)
    every = [joined_run(truths[fill].file, guesses[fill].file, "mine", 0) for fill in ("zero", "mean")]
    with pytest.raises(po.BadInput, match=r"are of different fills \(zero and mean\)"):
        check_alike(every)


def test_first_order_guesses_are_better_of_the_fill_that_they_are_of(case):
    truth = po.measure(case, fill="mean", **HOW)
    own, other = (po.score(case, "taylor", fill=fill, **HOW).saliency("taylor", "0", "shared") for fill in ("mean", "zero"))
    off = [np.abs(guess - truth.saliency("0")).mean() for guess in (own, other)]
    assert off[0] < off[1] / 2


@pytest.fixture
def mine(tmp_path):
    text = CASE.format(label=1, mode=".eval()").replace("torch.full((20,), 1)", "torch.arange(20) % 2")
    (tmp_path / "mine.py").write_text(text.replace("20", "40"))
    return tmp_path


def test_commands_take_it(mine, monkeypatch):
    for words in (["oracle", "mine.py"], ["criteria", "mine.py", "--criteria", "taylor", "fisher"]):
        done = command(*words, "--fill", "mean", "--device", "cpu", "--json", folder=mine)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["fill"]["name"] == "mean"
    done = command("chosen-sets", "mine.py", "--fill", "mean", "--examples", "6", "--device", "cpu", folder=mine)
    assert done.returncode == 0, done.stderr
    assert runs.load(mine / "runs/mine/0/chosen-sets.safetensors", "sets").facts["fill"]["name"] == "mean"
    assert len(pd.read_csv(mine / "runs/mine/0/sets.csv"))
    assert command("quick-sets", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    assert runs.load(mine / "runs/mine/0/quick-sets.safetensors", "sets").facts["fill"]["name"] == "mean"
    done = command("sets", "mine.py", "--random", "2", "--fill", "resample", "--device", "cpu", "--json", folder=mine)
    assert json.loads(done.stdout)["fill"]["name"] == "resample"
    assert command("grade", "mine", folder=mine).returncode == 0
    monkeypatch.chdir(mine)
    with pytest.raises(po.BadInput, match="has another fill than zero, of which baselines are"):
        regress.measured_figures("mine", [0], mine / "runs")
    assert command("oracle", "mine.py", "--device", "cpu", folder=mine).returncode == 0
    done = command("grade", "mine", folder=mine)
    assert done.returncode == 2
    assert "are of different fills (zero and mean): delete one and measure it again" in done.stderr


def test_compare_passes_it_on(mine, monkeypatch):
    asked = []
    monkeypatch.setattr("pruning_oracle.pipeline.run.measure", asked.append)
    monkeypatch.setattr("pruning_oracle.reports.report.write_page", lambda *given: None)
    assert command("compare", "mine.py", "--no-table", "--fill", "resample", folder=mine).returncode == 0
    assert command("compare", "mine.py", "--no-table", folder=mine).returncode == 0
    assert [one.both.get("fill") for one in asked] == ["resample", None]
    monkeypatch.setattr("pruning_oracle.pipeline.run.measure_oracles", asked.append)
    assert command("oracles", "mine.py", "--fill", "mean", folder=mine).returncode == 0
    assert asked[-1].oracle == {"fill": "mean"}
    done = command("compare", "mine.py", "--fill", "median", folder=mine)
    assert done.returncode == 2
    assert "unknown --fill 'median': choose from mean, resample, zero" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fill", "median"], "unknown --fill 'median': choose from mean, resample, zero"),
        (["--fill", "mean", "--examples", "36"], "--fill mean: mine has 4 training examples beside the 36 that are measured"),
    ],
)
@pytest.mark.parametrize("stage", [["oracle"], ["criteria"], ["sets", "--random", "1"]], ids=lambda stage: stage[0])
def test_mistakes_are_one_sentence_before_anything_is_written(mine, stage, words, message):
    done = command(stage[0], "mine.py", *stage[1:], *words, folder=mine)
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr
    assert not (mine / "runs").exists()
