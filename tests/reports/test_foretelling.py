"""What foretells what pruning costs: τ by scipy, criteria drawn anew, seeds averaged, and too few criteria said."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau
from written_runs import write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.inputs.read import read_run
from pruning_oracle.reports.sets import shown
from pruning_oracle.reports.sets.figures import SeedsFigures, agreements, read_figures
from pruning_oracle.reports.sets.foretelling import foretell, taus
from pruning_oracle.reports.sets.pruned import pruned_by

NAMES = [f"c{place:02}" for place in range(30)]


def figures(seed, pruned=(), names=NAMES):
    """`sure` is the cost turned round, `rough` it with noise, `blind` noise alone."""
    random = np.random.default_rng(seed)
    cost = random.random((len(names), 2))
    costs = pd.DataFrame(-cost, names, ["joint loss, 10% of each site", "joint loss, 50% of each site"])
    known = {
        "sure": -cost.mean(1),
        "rough": -cost.mean(1) + random.normal(0, 0.3, len(names)),
        "blind": random.random(len(names)),
    }
    own = costs.iloc[:, :1]
    frame = pd.DataFrame({"accuracy after fine-tuning": costs.loc[list(pruned)].iloc[:, 0]}, list(pruned))
    return SeedsFigures(pd.concat([pd.DataFrame(known, names), own], axis=1), costs, pd.DataFrame(), frame)


def rows(table):
    return table.set_index(["predictor", "outcome"])


def test_tau_of_every_pair_of_columns_is_scipys():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 6, (9, 4)), random.integers(0, 6, (9, 3))
    first[:, 3] = 2
    expected = [[kendalltau(one, other).statistic for other in second.T] for one in first.T]
    np.testing.assert_allclose(taus(first, second), expected, atol=1e-12)
    assert np.isnan(taus(first, second)[3]).all()


def test_tau_is_positive_where_the_better_comes_out_better_and_seeds_are_averaged():
    seeds = [figures(0), figures(1)]
    table = foretell("toy", seeds)
    found = rows(table)
    outcome = "joint loss, 50% of each site"
    for name in ("sure", "rough", "blind"):
        each = [kendalltau(one.predictors[name], one.costs[outcome]).statistic for one in seeds]
        assert found.tau[name, outcome] == pytest.approx(np.mean(each))
    mean = found.xs("joint loss, each site, mean over shares", level="outcome")
    assert mean.tau["sure"] > mean.tau["rough"] > 0.1
    assert mean.low["sure"] > 0
    assert mean.low["blind"] < 0 < mean.high["blind"]
    assert mean["first"]["sure"] > 0.9
    assert (set(table.criteria), set(table.seeds), set(table.case)) == ({30}, {2}, {"toy"})
    itself = "joint loss, 10% of each site"
    assert (itself, itself) not in found.index, "what foretells itself says nothing"
    assert mean.tau[itself] == pytest.approx(found.tau[itself, outcome])


def test_criteria_with_something_undefined_are_left_out():
    one = figures(0)
    one.predictors.loc["c03", "rough"] = np.nan
    table = foretell("toy", [one, figures(1)])
    assert set(table.criteria) == {29}
    assert table.tau.notna().all()


def test_too_few_criteria_that_pruned_have_no_rank_and_say_so():
    few, enough = (foretell("toy", [figures(0, NAMES[:count])]) for count in (4, 5))
    pruned = few[few.outcome.str.contains("fine-tuning")]
    assert set(pruned.criteria) == {4}
    assert pruned[["tau", "low", "high", "first"]].isna().all(axis=None)
    assert "accuracy after fine-tuning: 4 criteria alone have it with equal settings; a rank needs 5" in shown.best(few)
    assert "undefined" in shown.foretold(few).to_string()
    perfect = rows(enough).loc[("joint loss, 10% of each site", "accuracy after fine-tuning")]
    assert perfect.tau == pytest.approx(1)
    assert np.isnan(perfect.low), "draws that are all alike give no interval"
    assert "alone" not in shown.best(enough)
    assert "No pruning runs" in shown.best(foretell("toy", [figures(0)]))


def test_intervals_hold_what_other_criteria_give():
    found = [rows(foretell("toy", [figures(seed)])).loc[("rough", "joint loss, 50% of each site")] for seed in range(20)]
    mean = np.mean([one.tau for one in found])
    assert np.mean([one.low <= mean <= one.high for one in found]) >= 0.8


SCORES = {
    name: ("mean", {site: np.random.default_rng(place).normal(size=(1, maps)) for site, maps in (("first", 6), ("second", 9))})
    for place, name in enumerate("abcdef")
} | {"perfect": ("mean", {"first": np.arange(6.0)[None], "second": np.arange(9.0)[None]})}


def write_tables(folder):
    """Tables in which every criterion costs more than the one before it, and has the lower datamodeling score."""
    kinds = [("each site", "none"), ("all sites", "none"), ("all sites", "l2")]
    head = [{"case": "toy", "seed": 0, "chooser": name, "place": place} for place, name in enumerate((*SCORES, "oracle_abs"))]
    costs = [
        one | {"scope": scope, "scaling": scaling, "share": share, "joint_loss": share + one["place"], "regret": 0}
        for one in head
        for scope, scaling in kinds
        for share in (0.1, 0.25)
    ]
    pd.DataFrame(costs).to_csv(folder / "sets.csv", index=False)
    lds = [one | {"share": 0.05, "scaling": scaling, "lds": -one["place"]} for one in head for scaling in ("none", "l2")]
    lds.append(head[0] | {"chooser": "single_changes", "share": 0.05, "scaling": "none", "lds": 1})
    pd.DataFrame(lds).to_csv(folder / "reference-sets.csv", index=False)


def write_pruned(folder, name, criterion, accuracy, why="", **changes):
    common = {"case": "toy", "seed": 0, "commit": "abc", "precision": "float32", "device": "none", "why": why}
    common |= {"sources": {"stage": "s", "case": "k", "criteria": "t"}, "libraries": {"torch": "2"}, "sites": ["a"]}
    row = {"maps": 10, "flops": 10, "parameters": 10, "sites": [10], "seconds": {}}
    judged = [(1, 0.1), (0.9, 0.3), (0.7, 0.5), (accuracy, 1 - accuracy)]
    steps = [row | {"test_accuracy": good, "test_loss": bad} for good, bad in judged]
    steps[-1]["final"] = True
    facts = common | {"rows": steps, "settings": {"criterion": criterion, "flops_lambda": 0} | changes}
    runs.save(folder / "pruning" / f"{name}.safetensors", "pruning", {}, facts)


def test_the_files_of_a_case_are_read(tmp_path):
    folder = write_run(tmp_path, scores=SCORES)
    with pytest.raises(
        BadInput, match=r"no reference-sets\.csv at .*: `pruning-oracle reference-sets toy --seed 0` measures it"
    ):
        read_figures("toy", [0], tmp_path)
    write_tables(folder)
    table = foretell("toy", read_figures("toy", [0], tmp_path))
    assert set(table.criteria) == {7}, "criteria alone, neither oracles nor sums of what was measured"
    predictors = list(dict.fromkeys(table.predictor))
    assert [name for name in predictors if name.startswith("LDS")] == ["LDS, 5%", "LDS, 5%, l2"]
    assert [name for name in predictors if name.startswith("joint")] == [
        "joint loss, 25% of each site",
        "joint loss, 25% of all sites",
        "joint loss, 25% of all sites, l2",
    ]
    for outcome in (
        "joint loss, 10% of each site",
        "joint loss, 25% of all sites, l2",
        "joint loss, all sites, l2, mean over shares",
    ):
        assert rows(table).tau["LDS, 5%, l2", outcome] == pytest.approx(1)
    assert not table.outcome.str.contains("one site").any()
    alone = [
        {"chooser": name, "site": site, "share": 0.3, "joint_loss": -place}
        for site in "ab"
        for place, name in enumerate(SCORES)
    ]
    pd.DataFrame(alone).to_csv(folder / "layer-sensitivity.csv", index=False)
    found = rows(foretell("toy", read_figures("toy", [0], tmp_path)))
    assert found.tau["LDS, 5%", "joint loss, 30% of one site"] == pytest.approx(-1)
    agreed = agreements(read_run("toy", 0, tmp_path))
    assert agreed.loc["perfect", "agreement with oracle_abs, mean over sites"] == pytest.approx(1)
    assert agreed.loc["perfect", "agreement with oracle_mean_abs, mean over sites"] == pytest.approx(1)
    assert agreed.loc["perfect", "agreement with oracle_abs, all sites"] < 1, "where second's maps cost ten times as much"
    assert agreed.abs().loc["a"].max() < 1


def test_pruning_runs_with_alike_settings_are_compared(tmp_path):
    folder = write_run(tmp_path, scores=SCORES)
    write_tables(folder)
    for place, name in enumerate("abcde"):
        write_pruned(folder, name, name, 0.9 - 0.1 * place)
    write_pruned(folder, "with-flops", "a", 0.1, flops_lambda=1)
    write_pruned(folder, "stopped", "f", 0.2, why="accuracy fell")
    found = pruned_by("toy", 0, tmp_path)
    assert sorted(found.index) == list("abcde")
    assert found["accuracy after fine-tuning"]["a"] == pytest.approx(0.9), "not that of the run with a price for FLOPs"
    assert found.loc["b"].round(9).to_dict() == {
        "accuracy after fine-tuning": 0.8,
        "accuracy on the way": 0.8,
        "loss after fine-tuning": -0.2,
        "loss on the way": -0.4,
    }
    table = foretell("toy", read_figures("toy", [0], tmp_path))
    final = table[table.outcome == "accuracy after fine-tuning"]
    assert set(final.criteria) == {5}
    assert final.tau.notna().all()
    assert (
        table[table.outcome == "accuracy on the way"].tau.isna().all()
        or len(table[table.outcome == "accuracy on the way"]) == 0
    )
    assert pruned_by("nowhere", 0, tmp_path).empty
