"""Every command on users' files whose losses, labels and outputs are of other kinds than one class per example."""

import json

import pytest
from commands import command
from losses import KINDS, users_file
from networks import Carried, case_of
from pages import facts_of

from pruning_oracle.bench import runs, setting
from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput

QUICK = "dictionaries"
SHORT = ["--target", "maps=0.7", "--updates", "2", "--final-updates", "2", "--batch", "8", "--rate", "0.01", "--remove", "1"]


def done(*words, folder):
    """What a command printed; it must end well."""
    found = command(*words, folder=folder)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("kind", [kind if kind == QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS])
def test_every_command(tmp_path, kind):
    (tmp_path / "mine.py").write_text(users_file(kind))
    plain = kind in {"classes", "bytes", "tokens"}
    assert ("accuracy undefined" in done("bench", "show", "mine.py", folder=tmp_path)) != plain
    done("oracle", "mine.py", folder=tmp_path)
    done("oracle", "mine.py", "--budget", "0.5", "--out", "estimated.safetensors", folder=tmp_path)
    done("criteria", "mine.py", folder=tmp_path)
    oracle = runs.load(tmp_path / "runs/mine/0/oracle.safetensors", "oracle")
    assert ("labels" in oracle.arrays) == (plain or kind == "one column")
    assert (str(oracle.facts["test"]["accuracy"]) == "nan") != plain
    guesses = runs.load(tmp_path / "runs/mine/0/criteria.safetensors", "criteria")
    assert len(guesses.facts["criteria"]) >= 40
    pruned = done("pruning", "mine.py", *SHORT, "--run-name", "one", folder=tmp_path)
    assert ("test accuracy undefined → undefined" in pruned) != plain
    file = runs.load(tmp_path / "runs/mine/0/pruning/one.safetensors", "pruning")
    assert (json.dumps(file.facts["rows"][-1]["train_accuracy"]) == "NaN") != plain
    if kind != QUICK:
        check_reports(tmp_path, plain, "labels" in oracle.arrays)


def check_reports(folder, plain, classes):
    """Grading and the page of the report; accuracy is defined if the kind is `plain`, and labels if they are `classes`."""
    done("reports", "grade", "mine", folder=folder)
    done("reports", "page", "mine", "--out", "out", folder=folder)
    page = json.dumps(facts_of(folder / "out/index.html"))
    assert ("undefined of 24" in page) != plain
    assert ("mutual_information (it needs labels: one whole number" in page) != classes
    done("reports", "pruning", "mine", "--out", "out", folder=folder)
    page = facts_of(folder / "out/index.html")
    assert page["networks"]
    assert page["pruning"][0]["studies"][0]["judged"] == ("accuracy" if plain else "loss")
    (ends,) = [one["table"] for one in page["sections"] if one["of"] == "pruning of mine" and one["table"]]
    assert "nan" not in json.dumps(ends)


def test_what_needs_an_accuracy_or_a_gradient_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "mine.py").write_text(users_file("several labels"))
    asked = command("pruning", "mine.py", *SHORT, "--target", "accuracy=-0.1", folder=tmp_path)
    assert asked.returncode == 2
    assert "needs an output of class scores, [example, class], and one class each" in asked.stderr
    survival = command("survival", "mine.py", folder=tmp_path)
    assert survival.returncode == 2
    assert "survival is judged by accuracy, which this case's outputs and labels do not have" in survival.stderr
    (tmp_path / "mine.py").write_text(
        users_file("several labels") + "loss = lambda output, label: (output > 0).float().sum(1)\n"
    )
    flat = command("pruning", "mine.py", *SHORT, "--criterion", "weight_l2", folder=tmp_path)
    assert flat.returncode == 2
    assert "fine-tuning is impossible, since the loss has no gradient: give --updates 0 and --final-updates 0" in flat.stderr


def test_a_loss_of_the_whole_batch_is_refused_alike_by_every_command(tmp_path):
    (tmp_path / "mine.py").write_text(users_file("several labels").replace(".mean(1)", ".mean()"))
    for words in (
        ["bench", "show"],
        ["oracle", "--budget", "0.5"],
        ["oracle"],
        ["criteria"],
        ["pruning"],
        ["survival"],
    ):
        done = command(*words, "mine.py", folder=tmp_path)
        assert done.returncode == 2
        assert done.stderr == "error: the loss is (); it must give one number per example, (2,)\n"
    assert not (tmp_path / "runs").exists()


def test_a_network_that_makes_numbers_of_float32_follows_the_precision(tmp_path):
    (tmp_path / "mine.py").write_text(users_file("classes").replace("self.features(x)", "self.features(x.float())"))
    for stage in ("oracle", "criteria"):
        assert command(stage, "mine.py", "--precision", "float64", folder=tmp_path).returncode == 0


def test_a_precision_in_which_a_network_with_gates_of_its_own_fails_is_one_sentence():
    class Single(Carried):
        def forward(self, images):
            return super().forward(images.float())

    case = case_of(Single(), 1, 4, 4, carried=[Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))])
    with pytest.raises(BadInput, match="the network fails in float64 on cpu: "):
        setting._try(case.to("cpu", "float64"))
