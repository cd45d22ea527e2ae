"""The section on fine-tuning: a row per seed, lines that are the curve, and no section where nothing was fine-tuned."""

import pytest
from pages import facts_of
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.reports.page.render import render
from pruning_oracle.reports.report import grade_run, read_case_study
from pruning_oracle.reports.sections import learning

CURVE = [
    {"epoch": 0, "loss": None, "validation loss": 2.0, "validation accuracy": 0.25, "seconds": 0.0},
    {"epoch": 1, "loss": 1.5, "validation loss": 1.0, "validation accuracy": 0.75, "seconds": 30.0},
    {"epoch": 2, "loss": 0.5, "validation loss": 1.2, "validation accuracy": 0.5, "seconds": 60.0},
]
SETTINGS = {
    "epochs": 2,
    "rate": 1e-3,
    "batch": 32,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "adaptive": False,
    "augment": "crops",
}


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """A measured run, and a function that writes the curve of a network."""
    write_run(tmp_path)
    grade_run("toy", 0, tmp_path)
    monkeypatch.setattr(runs, "TRAINED", tmp_path / "trained")
    weights = read_case_study("toy", [0], tmp_path).runs[0].oracle.facts["weights"]

    def write(weights=weights, **changed):
        facts = {"case": "toy", "seed": 0, "curve": CURVE, "chosen": 1, "accuracy": 0.7, "loss": 1.1, "seconds": 90.0}
        facts |= {
            "settings": SETTINGS,
            "examples": {"train": 90, "validation": 8, "test": 20},
            "left_out": "",
            "commit": "c" * 40,
        }
        runs.save(
            tmp_path / "trained" / "toy-0.curve",
            "training",
            {},
            facts | {"weights": weights, "device": "a", "threads": 2} | changed,
        )
        return read_case_study("toy", [0], tmp_path)

    return write


def test_nothing_was_fine_tuned(tmp_path):
    write_run(tmp_path)
    grade_run("toy", 0, tmp_path)
    assert learning.section(read_case_study("toy", [0], tmp_path)) is None


def test_the_curve_of_another_network_is_not_shown(tuned):
    assert learning.section(tuned(weights="of another")) is None


def test_the_curve_by_hand(tuned):
    found = learning.section(tuned())
    assert found.table.to_dict("records") == [
        {
            "seed": 0,
            "validation accuracy before": "25.00%",
            "epoch kept": 1,
            "validation accuracy": "75.00%",
            "test accuracy": "70.00%",
            "test loss, nats": "1.100",
            "minutes": "1.5",
        }
    ]
    losses, accuracies = found.figure.axes
    lines = [line.get_xydata().tolist() for line in losses.lines if len(line.get_xydata())]
    assert lines == [[[1, 1.5], [2, 0.5]], [[0, 2.0], [1, 1.0], [2, 1.2]]]
    assert [line.get_xydata().tolist() for line in accuracies.lines] == [[[0, 0.25], [1, 0.75], [2, 0.5]], [[1, 0.7]]]
    assert "SGD with momentum 0.9, rate 0.001, weight decay 0.0001, batches of 32, 2 epochs over 90 examples" in found.caption
    assert "most accurate on the validation examples is kept" in found.caption


def test_without_validation_the_last_epoch_is_said(tuned):
    curve = [row | {"validation loss": None, "validation accuracy": None} for row in CURVE]
    found = learning.section(tuned(curve=curve, chosen=2, examples={"train": 25, "validation": 0, "test": 25}))
    assert "the last epoch is kept" in found.caption
    assert found.table["validation accuracy"].tolist() == ["no examples"]


def test_the_page_has_it(tuned, tmp_path):
    facts = facts_of(render([tuned()], tmp_path / "out"))
    assert "How the network was fine-tuned" in {section["title"] for section in facts["sections"]}
    assert facts["pruning"] == []
    assert (tmp_path / "out" / "toy-learning.png").is_file()
