"""What the page holds is what the runs measured."""

import base64

import numpy as np
import pytest
from pages import facts_of, square, with_labels, with_pictures, written_page
from written_pruning import write
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import pictures
from pruning_oracle.criteria.criterion import discover
from pruning_oracle.docs.build import cards
from pruning_oracle.reports.inputs.definitions import PEERS, definitions
from pruning_oracle.reports.inputs.pictures import pictures_of
from pruning_oracle.reports.inputs.pruning_runs import found_studies
from pruning_oracle.reports.inputs.read import read_shown_run
from pruning_oracle.reports.page import render
from pruning_oracle.reports.page.content.contents import contents
from pruning_oracle.reports.page.content.maps import BINS, columns_of_maps
from pruning_oracle.reports.page.content.networks import network
from pruning_oracle.reports.page.content.pruning import pruning_runs
from pruning_oracle.reports.report import grade_run, read_case_study, write_page


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        with_labels(write_run(root, seed=seed) / "oracle.safetensors")
        grade_run("toy", seed, root)
    return root


def test_definitions_are_those_that_importing_finds():
    found = discover()
    assert set(definitions()) == {name for name, one in found.items() if one.file.name != "own.py"}
    for name, one in definitions().items():
        assert one.formula == cards.formula(found[name])
        assert one.family in (cards.family(found[name]), PEERS)


def test_a_map_is_told_by_its_own_examples(root):
    run = read_shown_run("toy", 0, root)
    columns = columns_of_maps(run)
    change = np.concatenate([run.change(site) for site in run.sites], 1)
    np.testing.assert_allclose(columns["change"][:, 0], change.mean(0))
    assert (columns["change"][:, 1] < change.mean(0)).all()
    assert (columns["change"][:, 2] > change.mean(0)).all()
    assert (columns["histogram"].sum(1) == len(change)).all()
    assert columns["histogram"].shape == (change.shape[1], BINS)
    assert (columns["needed"][:, 0] == change.argmax(0)).all()
    np.testing.assert_allclose(columns["needed_change"][:, 0], change.max(0))
    assert (columns["alike"][: len(run.change("first")[0])] < 6).all()
    assert (columns["rows"] == 7 + 3 * np.arange(len(change))).all()
    number = list(run.criteria.facts["criteria"]).index("perfect")
    np.testing.assert_allclose(columns["score"][number], change.mean(0))


def test_a_picture_that_seeds_share_is_held_once(tmp_path):
    path = written_page(tmp_path, ["toy", "other"], seeds=(0, 1), names=["a", "b", "c"])
    facts = facts_of(path)
    assert len(facts["images"]) == len(set(facts["images"])) < sum(map(len, facts["networks"][0]["pictures"]))
    columns = columns_of_maps(read_shown_run("toy", 1, tmp_path))
    own = facts["networks"][0]["pictures"][1]
    for example in np.unique(columns["needed"]):
        image = facts["images"][own[str(example)]]
        assert image == f"data:image/webp;base64,{base64.b64encode(square(int(example))).decode()}"


def test_pictures_of_another_oracle_are_not_shown(tmp_path):
    folder = write_run(tmp_path)
    with_pictures(folder)
    run = read_shown_run("toy", 0, tmp_path)
    assert pictures_of(run)
    with_labels(folder / "oracle.safetensors")  # the file is another now
    assert pictures_of(read_shown_run("toy", 0, tmp_path)) == {}
    file = runs.load(folder / pictures.FILE, pictures.KIND)
    for name, array in (("ends", file.arrays["ends"][::-1]), ("ends", file.arrays["ends"] + 1), ("webp", None)):
        arrays = {key: value for key, value in (file.arrays | {name: array}).items() if value is not None}
        runs.save(file.path, pictures.KIND, arrays, {"oracle": read_shown_run("toy", 0, tmp_path).oracle.checksum})
        with pytest.raises(BadInput, match=r"pictures.safetensors is damaged"):
            pictures_of(read_shown_run("toy", 0, tmp_path))


def test_the_first_table_is_that_of_the_report(root):
    study = read_case_study("toy", [0, 1], root)
    facts, columns = network(study)
    rows = study.agreement.query("scope == 'mean over sites' and oracle == 'oracle_abs' and examples == 'fresh'")
    for row in facts["rows"]:
        values = rows[rows.criterion == row["criterion"]].spearman
        known = None if values.isna().all() else pytest.approx(values.median())
        assert row["value"] == known
        assert row["seeds"] == 2
    assert next(row["criterion"] for row in facts["rows"] if not row["control"]) == "perfect"
    assert [row["criterion"] for row in facts["rows"] if row.get("tied")] == ["perfect"]
    first = study.agreement.query("scope == 'second' and oracle == 'oracle_abs' and examples == 'shared' and seed == 1")
    place = facts["criteria"].index("opposite")
    known = first[first.criterion == "opposite"].iloc[0]
    np.testing.assert_allclose(columns["shared"][place, 1, 1], [known.spearman, known.low, known.high])


def test_every_criterion_has_a_card(root):
    study = read_case_study("toy", [0, 1], root)
    facts, _ = contents([study], [network(study)], {})
    assert set(facts["criteria"]) == set(study.criteria)
    assert facts["criteria"]["perfect"]["says"] == "<b>says</b>"
    assert facts["criteria"]["oracle of 4 examples"]["family"] == "Controls"
    assert {card["family"] for card in facts["criteria"].values()} <= {look["name"] for look in facts["families"]}


def test_the_page_shows_pruning_runs_as_they_come(root, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "draw_all", lambda studies, *_: ([network(study) for study in studies], {}))

    def pruned():
        write_page(["toy"], [0, 1], root, tmp_path)
        return facts_of(tmp_path / "index.html")["pruning"][0]

    assert pruned()["studies"] == []
    assert "`pruning-oracle prune toy --criterion taylor` makes one" in pruned()["why"][0]
    write(root, seed=1, settings={"criterion": "taylor"})
    (run,) = pruned()["studies"][0]["runs"]
    assert (run["criterion"], run["family"], run["n"], [one["seed"] for one in run["seeds"]]) == (
        "taylor",
        definitions()["taylor"].family,
        3,
        [1],
    )
    monkeypatch.delattr(render, "draw_all")  # nothing is drawn again while nothing changed
    assert pruned()["why"] == []


def test_a_case_that_was_pruned_but_never_measured_is_on_the_page_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "draw_all", lambda *_: ([], {}))
    write(tmp_path / "runs")
    write_page([], [0], tmp_path / "runs", tmp_path, pruned=["toy"])
    facts = facts_of(tmp_path / "index.html")
    assert facts["networks"] == []
    assert facts["pruning"][0]["studies"][0]["runs"][0]["name"] == "good"
    assert "commit abc" in facts["sentences"][0]
    assert not (tmp_path / "agreement.csv").exists()
    assert (tmp_path / "pruning.csv").read_text().startswith("case,study,")


def test_what_is_pruned_is_on_the_page_as_the_run_has_it(tmp_path):
    write(tmp_path, last=[0.95], settings={"criterion": "oracle_abs"}, steps={"removed_loss": 3.5})
    write(tmp_path, name="damaged", folder="pruning-far", sites=("one",))
    facts, columns = pruning_runs(found_studies("toy", [0, 1], tmp_path))
    (study,) = facts["studies"]
    assert "a step does not say how many maps every site has" in facts["why"][0]
    assert (study["runs"][0]["family"], study["runs"][0]["n"]) == (None, None)
    one = study["runs"][0]["seeds"][0]
    assert (one["first"], one["count"], one["final"]) == (0, 3, {"loss": pytest.approx(1.05), "accuracy": 0.95})
    steps = dict(zip(study["fields"], columns["0/steps"].T, strict=True))
    assert steps["maps"].tolist() == [10, 8, 6]
    assert steps["test_accuracy"].tolist() == [1.0, 0.9, 0.8]
    assert steps["removed_loss"].tolist() == [3.5] * 3
    assert columns["0/sites"].tolist() == [[8, 2], [6, 2], [4, 2]]


def test_of_long_runs_the_page_holds_the_ends_and_some_networks_between(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr("pruning_oracle.reports.page.content.pruning.NUMBERS", 1)
    facts, columns = pruning_runs(found_studies("toy", [0], tmp_path))
    assert columns["0/steps"][:, 0].tolist() == [10, 6]
    one = facts["studies"][0]["runs"][0]["seeds"][0]
    assert (one["count"], one["of"]) == (2, 3)
