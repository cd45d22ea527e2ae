"""What classes and examples say of maps, by hand, against SciPy, and by how often intervals hold the truth."""

import numpy as np
import pytest
from pages import with_labels
from scipy import stats
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.pictures import NEEDED, most_needed, worth_showing
from pruning_oracle.reports.agreement.by_class import class_changes, class_table, classes_by_map, maps_by_class
from pruning_oracle.reports.agreement.by_example import example_table, examples_of

CHANGE = np.array([[1.0, 5], [3, 5], [2, 0], [9, 1]])
LABELS = np.array([2, 2, 0, 7])


def oracle(change=CHANGE, labels=LABELS, names=None, **more):
    facts = {"examples": len(change), "seed": 0, "case": "toy", "sites": [{"name": "one", "maps": change.shape[1]}]}
    facts |= {"class names": names} if names else {}
    return RunFile("oracle.safetensors", {"change/one": change, "labels": labels, "rows": 10 * np.arange(4)} | more, facts, "")


def test_a_small_matrix_by_hand():
    table = class_table(oracle(names=["rose", "tulip", "lily"]))
    assert list(table.columns) == ["site", "map", "class", "name", "n", "measured", "change", "low", "high"]
    assert table["class"].tolist() == [0, 2, 7] * 2
    assert table.name.tolist() == ["rose", "lily", "7"] * 2  # 7 has no name
    assert table.n.tolist() == table.measured.tolist() == [1, 2, 1] * 2
    assert table.change.tolist() == [2, 2, 9, 0, 5, 1]
    assert table.low.isna().tolist() == table.high.isna().tolist() == [True, False, True] * 2
    first, second = table.iloc[1], table.iloc[4]
    assert (first.low, first.high) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-3)  # Student's t of 1 degree, error 1
    assert (second.low, second.high) == (5, 5)  # both changed alike


def test_the_interval_of_a_class_is_scipys():
    labels = np.array([4, 4, 4, 2, 2, 9])
    change = np.random.default_rng(0).normal(size=(6, 3))
    classes, found, known = class_changes(change, labels)
    assert classes.tolist() == [2, 4, 9]
    assert known.tolist() == [[2, 3, 1]] * 3
    wanted = stats.ttest_1samp(change[:3], 0).confidence_interval(0.95)
    np.testing.assert_allclose(found[:, 1], np.stack([change[:3].mean(0), wanted.low, wanted.high], 1))
    assert np.isnan(found[:, 2, 1:]).all()  # a single example says nothing of its spread
    np.testing.assert_allclose(found[:, 2, 0], change[5])


@pytest.mark.parametrize(
    ("draw", "truth", "share"),
    [(np.random.Generator.standard_normal, 0, 0.95), (np.random.Generator.standard_exponential, 1, 0.88)],
)
def test_intervals_of_few_examples_hold_the_truth_as_often_as_is_said(draw, truth, share):
    change = draw(np.random.default_rng(3), (14, 20_000))
    labels = np.array([0] * 2 + [1] * 5 + [2] * 7)
    _, found, _ = class_changes(change, labels)
    held = ((found[..., 1] <= truth) & (found[..., 2] >= truth)).mean(0)
    assert held[1] == pytest.approx(share, abs=0.006)  # of five examples
    if truth == 0:
        assert held == pytest.approx(share, abs=0.006)


def test_a_class_with_predictions_has_no_interval():
    mask = np.array([[True, True], [True, False], [True, True], [True, True]])
    table = class_table(oracle(**{"measured/one": mask}))
    rows = table[table["class"] == 2]
    assert rows.measured.tolist() == [2, 1]
    assert rows.change.tolist() == [2, 5]  # the mean counts the prediction
    assert rows.low.isna().tolist() == [False, True]


def test_classes_that_a_file_does_not_hold_are_refused():
    for labels in (np.array([0.5, 1, 1, 1]), np.zeros((4, 2), int), np.array([1, 2])):
        with pytest.raises(BadInput, match=r"oracle.safetensors holds no classes: labels are not one whole number"):
            class_table(oracle(labels=labels))
    less = oracle()
    del less.arrays["labels"]
    with pytest.raises(BadInput, match="holds no classes"):
        class_table(less)
    assert "class" not in example_table(less)


def test_which_class_needs_which_map_most():
    table = class_table(oracle())
    assert maps_by_class(table, 1)[["class", "map", "change"]].to_numpy().tolist() == [[0, 0, 2], [2, 1, 5], [7, 0, 9]]
    assert maps_by_class(table, 2)["map"].tolist() == [0, 1, 1, 0, 0, 1]
    assert classes_by_map(table, 9)[["map", "class", "change"]].to_numpy().tolist() == [[0, 7, 9], [1, 2, 5]]


def test_examples_that_need_a_map_most_by_hand():
    table = example_table(oracle(names=["rose", "tulip", "lily"]))
    first = table[table["map"] == 0]
    assert first.example.tolist() == [3, 1, 2, 0]
    assert first.row.tolist() == [30, 10, 20, 0]
    assert first.place.tolist() == [1, 2, 3, 4]
    assert first.name.tolist() == ["7", "lily", "rose", "lily"]
    assert first.change.tolist() == [9, 3, 2, 1]
    assert examples_of(oracle(), "one", 1)[["example", "change"]].to_numpy().tolist() == [[0, 5], [1, 5], [3, 1], [2, 0]]
    many = oracle(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 4, rows=np.arange(40))
    assert example_table(many).groupby("map").size().tolist() == [NEEDED] * 3
    assert len(examples_of(many, "one", 2)) == 40
    mask = np.ones((4, 2), bool)
    mask[3, 0] = False
    assert example_table(oracle(**{"measured/one": mask})).measured.tolist() == [False] + [True] * 7


def test_every_maps_first_example_is_worth_a_picture_before_any_second():
    changes = [CHANGE, -CHANGE]
    assert most_needed(CHANGE)[0].tolist() == [3, 0]
    assert worth_showing(changes, 3) == [3, 0, 2]
    assert sorted(worth_showing(changes, 99)) == [0, 1, 2, 3]


def test_the_table_of_a_run_is_that_of_its_file(tmp_path):
    path = write_run(tmp_path) / "oracle.safetensors"
    with_labels(path)
    table = class_table(runs.load(path, "oracle"))
    assert table.groupby(["site", "map"], sort=False).n.sum().unique().tolist() == [200]
    assert table.site.unique().tolist() == ["first", "second"]
