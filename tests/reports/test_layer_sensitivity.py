"""Layer sensitivity: which maps go, site by site, what they cost, and the figure and table that are saved."""

import numpy as np
import pandas as pd
import pytest
from toys import toy_case
from written_runs import write_run

import pruning_oracle as po
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.interface import figures
from pruning_oracle.interface.sensitivity import LayerSensitivity
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.sets import shown
from pruning_oracle.reports.sets.sensitivity import SHARES, sensitivity_sets, sensitivity_table


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path, sites={"first": 6, "second": 9, "one": 1})
    return read_run("toy", 0, tmp_path)


def test_the_lowest_maps_of_one_site_go_and_one_stays(run):
    sets = sensitivity_sets(run, ["x", "y", "z"], ["perfect", "opposite"], [0.1, 0.5, 0.9])
    assert {one.scope for one in sets} == {"x", "y"}, "a site of one map has nothing to spare"
    assert all(set(one.maps) == {one.scope} for one in sets)
    maps = {(one.scope, one.chooser, one.share): one.maps[one.scope] for one in sets}
    assert maps["x", "perfect", 0.5] == [0, 1, 2]
    assert maps["x", "opposite", 0.5] == [3, 4, 5]
    assert maps["y", "perfect", 0.9] == list(range(8))


def test_choosers_are_those_of_the_usual_ones_that_there_are(run):
    sets = sensitivity_sets(run, ["x", "y", "z"])
    assert {one.chooser for one in sets} == {"oracle_mean_abs"}
    assert {one.share for one in sets} == set(SHARES)
    everyone = {one.chooser for one in sensitivity_sets(run, ["x", "y", "z"], ["all"], [0.5])}
    assert everyone == {"perfect", "constant", "opposite", "oracle_abs", "oracle_loss", "oracle_mean_abs"}


def test_of_many_choosers_the_usual_ones_have_colours():
    names = ["random", *(f"c{place}" for place in range(9))]
    table = pd.DataFrame([{"site": "x", "chooser": name, "share": share} for name in names for share in (0.2, 0.8)])
    figure = figures.layer_sensitivity(table.assign(joint_loss=0.5, low=0.4, high=0.6), "where from")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["random"]
    assert sum(line.get_color() == "0.8" for line in figure.axes[0].lines) == 9
    assert "grey: 9 other choosers" in figure.get_supxlabel()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": ["tailor"]}, "unknown chooser 'tailor': choose from constant, opposite, oracle_abs"),
        ({"by": ["perfect", "perfect"]}, "chooser perfect is named twice; allowed is each once"),
        ({"shares": [0.5, 1.0]}, r"a share of maps is 1\.0; allowed are numbers above 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused(run, given, message):
    with pytest.raises(BadInput, match=message):
        sensitivity_sets(run, ["x", "y", "z"], **given)


def test_the_table_has_means_and_intervals_over_examples(run):
    sets = sensitivity_sets(run, ["x", "y", "z"], ["perfect", "opposite"])
    joint = np.arange(len(sets)) + np.random.default_rng(0).normal(0, 1, (300, len(sets)))
    table = sensitivity_table(sets, joint, 0)
    np.testing.assert_allclose(table.joint_loss, joint.mean(0))
    error = joint.std(0) / np.sqrt(300)
    np.testing.assert_allclose(table.high - table.low, 2 * 1.96 * error, rtol=0.25)
    assert table.maps.tolist() == [len(one.maps[one.scope]) for one in sets]
    assert shown.sensitive(table).columns.tolist() == ["site", *(f"{tenth}0%" for tenth in range(1, 10))]
    assert shown.sensitive(table).site.tolist() == ["x", "y"]
    with pytest.raises(BadInput, match="1 joint losses of 36 sets"):
        sensitivity_table(sets, joint[:, :1], 0)


def test_it_is_measured_drawn_and_saved(tmp_path):
    case = toy_case("plain")
    truth = po.measure(case, rows=range(8), device="cpu")
    sets = po.sensitivity_sets(truth, po.score(case, "taylor", rows=range(8), device="cpu"), shares=[0.2, 0.8])
    losses = po.joint_loss(case, [one.maps for one in sets], rows=range(12, 20), device="cpu")
    found = po.layer_sensitivity(sets, losses)
    assert isinstance(found, LayerSensitivity)
    assert "2 sites on 8 training examples, maps removed by taylor, oracle_mean_abs" in repr(found)
    assert "Layer sensitivity" in found._repr_html_()
    panels = [panel for panel in found.plot().axes if panel.get_visible()]
    assert [panel.get_title() for panel in panels] == list(truth.sites)
    for panel in panels:
        own = found.frame().query("site == @panel.get_title()")
        lines = [line.get_ydata() for line in panel.lines if len(line.get_xdata()) == 2 and line.get_marker() == "."]
        np.testing.assert_allclose(np.concatenate(lines), own.joint_loss)
    place = found.save(tmp_path / "mine.csv")
    pd.testing.assert_frame_equal(pd.read_csv(place).drop(columns=["case", "seed"]), found.frame(), check_dtype=False)
    assert (tmp_path / "mine.png").read_bytes()[:4] == b"\x89PNG"
    found.save(place)
    (tmp_path / "mine.png").write_text("another's")
    with pytest.raises(BadInput, match=r"mine\.png is no figure of this suite"):
        found.save(place)
    with pytest.raises(BadInput, match="the joint losses are of other sets"):
        po.layer_sensitivity(sets[1:], losses)
