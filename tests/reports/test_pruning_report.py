"""The page of pruning runs by hand: curves, areas, tables, and what survives retraining."""

import numpy as np
import pandas as pd
import pytest
import torch
from pages import facts_of
from toys import toy_case
from written_pruning import SETTINGS, row, write

from pruning_oracle.bench import runs
from pruning_oracle.bench.cutting.surgery import cut, uncut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for
from pruning_oracle.pruning.loop.state import start
from pruning_oracle.pruning.survival import Repairs, run_survival, shares_of, subsets, survive
from pruning_oracle.reports.agreement.correlation import kendall
from pruning_oracle.reports.inputs import pruning_runs
from pruning_oracle.reports.page.render import render
from pruning_oracle.reports.sections import curves, latency, survival


def page_of(study, out):
    """What the page of a pruning study alone says."""
    return facts_of(render([], out, pruned=[pruning_runs.PrunedCase(study.case, [study], [])]))


def test_a_curve_and_its_area_by_hand():
    rows = [row(10, 1.0), row(8, 0.9), row(6, 0.5)]
    found = curves.accuracy_curve(rows, "maps", np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5]))
    assert found[:5] == pytest.approx([1.0, 0.95, 0.9, 0.7, 0.5])
    assert np.isnan(found[5])
    assert curves.area(rows, "maps", np.linspace(1, 0.6, 101)) == pytest.approx((0.95 + 0.7) / 2, abs=1e-3)
    assert curves.accuracy_curve(rows, "flops", np.array([0.64])) == pytest.approx([0.9])


def test_the_table_is_of_all_seeds_with_the_best_first(tmp_path):
    for seed in (0, 1):
        write(tmp_path, seed=seed, name="bad", accuracies=(1.0, 0.5 + 0.1 * seed, 0.3))
        write(tmp_path, seed=seed, name="good", last=[0.95])
    known = pruning_runs.read_study("toy", [0, 1], tmp_path)
    table = curves.table(known).set_index("run")
    assert list(table.index) == ["good", "bad"]
    assert table.loc["good", "pruned"] == "0.800"
    assert table.loc["good", "and fine-tuned"] == "0.950"
    assert table.loc["good", "fewer FLOPs"] == "2.8×"
    assert table.loc["bad", "and fine-tuned"] == "0.300"
    assert "to" in table.loc["bad", "area, maps left"]
    assert table.loc["good", "ranking, of the learning's time"] == "1.0%"
    page = page_of(known, tmp_path / "out")
    assert "a<b>" in page["pruning"][0]["studies"][0]["sites"]
    assert "Accuracy against what is left" in [one["title"] for one in page["sections"] if one["of"] == "pruning of toy"]
    every = pd.read_csv(tmp_path / "out/pruning.csv")
    assert len(every) == 2 * 3 + 2 * 4
    assert every[every.final].test_accuracy.tolist() == [0.95, 0.95]
    assert (tmp_path / "out/pruning-toy-pruning-curves.png").stat().st_size > 5000


def test_a_caption_says_what_was_repaired(tmp_path, monkeypatch):
    write(tmp_path)
    assert "repaired" not in curves.section(pruning_runs.read_study("toy", [0], tmp_path)).caption
    monkeypatch.setattr("written_pruning.SETTINGS", SETTINGS | {"repair": "bias", "repair_examples": 40})
    write(tmp_path, name="other")
    said = curves.section(pruning_runs.read_study("toy", [0], tmp_path)).caption
    assert "After every removal the network is repaired (bias) from 40 training examples that nothing else sees." in said


def timed(whole, pruning_runs):
    rows = [
        {"way": "eager", "batch": batch, "network": name, "median": factor * median, "5 %": 0.001, "95 %": 0.1, "passes": 9}
        for batch, factor in ((1, 1), (16, 2))
        for name, median in (("whole", whole), ("pruned", pruning_runs))
    ]
    return [*rows, {"way": "compiled", "batch": 1, "missing": "RuntimeError: <none>"}]


def test_latencies_are_ratios_within_a_seed(tmp_path):
    for seed, pruned_seconds in ((0, 0.02), (1, 0.01)):
        write(tmp_path, seed=seed)
        facts = {"case": "toy", "seed": seed, "commit": "c", "device": "none", "threads": 2, "versions": {"torch": "2"}}
        facts |= {"sources": {"stage": "l", "case": "k", "criteria": "t"}, "libraries": {}}
        facts |= {"whole": {"flops": 100}, "pruned": {"flops": 36}, "rows": timed(0.04, pruned_seconds)}
        runs.save(runs.folder("toy", seed, tmp_path) / "pruning/good.latency", "latency", {}, facts)
        scratch = facts | {"scratch": {"accuracy": 0.5 + seed / 10}}
        runs.save(runs.folder("toy", seed, tmp_path) / "pruning/good.scratch", "scratch", {}, scratch)
    known = pruning_runs.read_study("toy", [0, 1], tmp_path)
    found = latency.section(known)
    assert list(found.table["times as fast"]) == ["3.0× (2.0× to 4.0×)"] * 2
    assert list(found.table["whole, ms"]) == ["40 [1, 100]", "80 [1, 100]"]
    assert list(found.table["fewer FLOPs"]) == ["2.8×"] * 2
    assert "compiled, 1: RuntimeError: <none>" in found.caption
    assert curves.table(known)["from nothing"].tolist() == ["0.550 (0.500 to 0.600)"]
    found = [one for one in page_of(known, tmp_path / "out")["sections"] if one["title"] == "How fast the pruned networks are"]
    assert "RuntimeError: <none>" in found[0]["caption"]


def test_runs_measured_by_different_code_or_none_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no pruning runs under"):
        pruning_runs.read_study("toy", [0], tmp_path)
    write(tmp_path)
    write(tmp_path, name="other", sources="d")
    with pytest.raises(BadInput, match="different sources"):
        pruning_runs.read_study("toy", [0], tmp_path)
    with pytest.raises(BadInput, match="no pruning file"):
        pruning_runs.read_study("toy", [0, 1], tmp_path)


def test_a_study_that_is_not_whole_is_left_out(tmp_path, capsys):
    for seed in (0, 1):
        write(tmp_path, seed=seed)
    for seed in (0, 1):
        write(tmp_path, seed=seed, name="taylor", folder="pruning-still")
    write(tmp_path, seed=0, name="fast", folder="pruning-far")
    found = pruning_runs.read_studies("toy", [0, 1], tmp_path)
    assert [study.folder for study in found] == ["pruning", "pruning-still"]
    assert "left out: pruning-far, of which" in capsys.readouterr().out


def test_runs_named_by_a_number_are_in_its_order(tmp_path):
    for name in ("30", "100", "10", "a"):
        write(tmp_path, name=name)
    assert list(pruning_runs.read_study("toy", [0], tmp_path).runs) == ["10", "30", "100", "a"]


def test_tau_is_within_seeds_and_shares():
    """Within each share the lower loss has the higher accuracy; across shares the reverse, which must not count."""
    shares = [
        {"share": share, "seed": 0, "loss": base + step, "accuracy": base - step / 10}
        for share, base in ((0.2, 0), (0.4, 5))
        for step in range(4)
    ]
    rows = pd.DataFrame(shares)
    assert survival.within(rows) == pytest.approx(-1)
    assert kendall(rows.loss.to_numpy(), rows.accuracy.to_numpy()) > 0
    assert survival.tau_interval(rows)[1] < -0.5
    assert survival.within(rows.assign(test_loss=-rows.accuracy), "loss", "test_loss") == pytest.approx(1)
    assert np.isnan(survival.within(rows.assign(accuracy=1.0)))
    said = [survival.verdict(*pair) for pair in ((-0.9, -0.6), (-0.9, -0.1), (-0.1, 0.1), (0.1, 0.5), (np.nan, 0.1))]
    assert [text.split(":")[0].split(",")[0] for text in said] == ["Yes", "Somewhat", "No", "No", "Undefined"]


def test_subsets_have_the_sizes_that_they_say():
    case = toy_case("residual", 24, "float32")
    total = sum(site.maps for site in case.sites)
    found = list(subsets(uncut(case), 2, 8, 0, (0.2, 0.5)))
    assert len(found) == 2 * 4 * 2
    for one in found:
        assert sum(map(len, one.gone.values())) == min(round(one.share * total), total - len(case.sites))
    again = list(subsets(uncut(case), 2, 8, 0, (0.2, 0.5)))
    assert found == again
    assert len({str(one.gone) for one in found}) > 2


def test_what_criteria_say_of_a_subset_is_the_sum_of_its_maps_scores():
    case = toy_case("plain", 24)
    for one in subsets(uncut(case), 1, 8, 0, (0.3,)):
        weights = [
            case.model.get_submodule(site.convolutions[0]).weight[index].square().sum().sqrt().item()
            for site in case.sites
            for index in one.gone.get(site.name, ())
        ]
        sums = {name: value for name, value in one.facts.items() if name.startswith("sum of ")}
        assert list(sums) == ["sum of taylor", "sum of weight_l2", "sum of activation_mean"]
        assert one.sums["weight_l2"] == pytest.approx(sum(weights))


def test_shares_and_examples_of_survival_are_checked(tmp_path):
    assert shares_of("0.1,0.25") == (0.1, 0.25)
    for text, said in {
        "0.1,2": "--shares is 2.0; allowed",
        "0.1;2": "--shares is '0.1;2'",
        "0.1,0.10": "each share once",
    }.items():
        with pytest.raises(BadInput, match=said):
            shares_of(text)
    with pytest.raises(BadInput, match=r"--examples is 13; .* ranks maps by 12"):
        run_survival(toy_case("plain"), tmp_path / "s.survival", 1, PruningSettings(examples=13))


def test_an_interrupted_survival_goes_on(monkeypatch, tmp_path):
    case, asked = toy_case("plain", precision="float32"), []

    def counted(case, settings, state, gone, repairs):
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(gone)
        return survive(case, settings, state, gone, repairs)

    monkeypatch.setattr("pruning_oracle.pruning.survival.survive", counted)
    settings, out = PruningSettings(updates=1, batch=4, examples=6, tested=8), tmp_path / "s.survival"
    with pytest.raises(KeyboardInterrupt):
        run_survival(case, out, 1, settings, "cpu", shares="0.2,0.4")
    asked[:] = asked[3:]  # three more may come before it stops again
    done = run_survival(case, out, 1, settings, "cpu", shares="0.2,0.4")
    assert len(asked) == 5
    monkeypatch.undo()
    whole = run_survival(case, tmp_path / "whole.survival", 1, settings, "cpu", shares="0.2,0.4")
    assert done.facts["rows"] == whole.facts["rows"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.survival", "whole.survival"]
    assert run_survival(case, out, 1, settings, "cpu", shares="0.2,0.4").current


def test_survival_without_updates_is_the_gated_networks_loss():
    pytest.importorskip("torch_pruning", reason="torch-pruning, which cuts layers, is not installed")
    from pruning_oracle.bench.network.gates import gated  # noqa: PLC0415

    case = toy_case("plain", 24)
    site = case.sites[0]
    state = start(case)
    found = survive(case, PruningSettings(updates=0), state, {site.name: [1, 3]}, Repairs.of(state.pruned))
    assert len({found[name] for name in ("loss", "loss after bias", "loss after batchnorm", "loss after both")}) == 4
    rows = case.split(None)[0]
    batch = next(case.batches(case.train, rows, len(rows)))
    keep = torch.ones(len(rows), site.maps, dtype=torch.float64)
    keep[:, [1, 3]] = 0
    with torch.no_grad(), gated(case.model, {site: keep}):
        assert found["loss"] == pytest.approx(case.losses(batch).mean().item())
    assert 0 <= found["accuracy"] <= 1
    for name in ("bias", "batchnorm", "both"):
        *_, (_, repaired) = after_removal(
            uncut(ready_for(case, name)), {site.name: [1, 3]}, name, Repairs.of(state.pruned).rows
        )
        assert found[f"loss after {name}"] == pytest.approx(evaluate(repaired.case, case.train, rows)[0])
    smaller = cut(uncut(case), {site.name: [1, 3]}).case
    assert found["test_loss"] == pytest.approx(evaluate(smaller, case.test, range(len(case.test)))[0])


def test_kendall_of_draws_is_scipys():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 6, (20, 9)), random.integers(0, 6, (20, 9))
    first[3] = 2
    found = survival.kendalls(first, second)
    expected = [kendall(one, other) for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(found[3])


def retrained(seed, **more):
    random = np.random.default_rng(seed)
    return [
        {"chosen by": name, "share": share, "loss": float(loss), "accuracy": 1 - loss / 10}
        | {key: value(loss) for key, value in more.items()}
        for name in ("random", "taylor")
        for share in (0.2, 0.4)
        for loss in random.random(5)
    ]


def survived(root, seed, rows, **more):
    facts = {"case": "toy", "seed": seed, "commit": "c", "sources": {"stage": "s", "case": "k", "criteria": "t"}}
    facts |= {"libraries": {}, "rows": rows, "settings": {"updates": 7}, "examples": 9} | more
    runs.save(runs.folder("toy", seed, root) / "pruning/subsets.survival", "survival", {}, facts)


def test_the_section_grades_every_predictor_by_both_outcomes(tmp_path):
    for seed in (0, 1):
        write(tmp_path, seed=seed)
        after = {
            "test_loss": lambda loss: 3 * loss,
            "loss after bias": lambda loss: 1 - loss,
            "loss after both": lambda loss: loss,
        }
        survived(tmp_path, seed, retrained(seed, **after), **{"repaired on": 40})
    found = survival.section(pruning_runs.read_study("toy", [0, 1], tmp_path))
    table = found.table.set_index(["before retraining", "share of maps deleted"])
    assert len(table) == 3 * 3
    assert table.loc[("loss as it is", "all"), "τ with test accuracy"].startswith("−1.00 [−1.00")
    assert table.loc[("loss as it is", "40%"), "τ with test loss"].startswith("1.00 [1.00")
    assert table.loc[("loss, biases repaired", "all"), "τ with test loss"].startswith("−1.00")
    assert table.loc[("loss, both repaired", "all"), "subsets"] == 40
    assert found.caption.startswith("Yes: the lower the loss")
    assert "Repairs saw 40 other training examples" in found.caption
    every = pruning_runs.steps(pruning_runs.read_study("toy", [0, 1], tmp_path))
    assert every[every.study == "survival"]["loss after bias"].notna().all()


def test_how_far_a_predictor_is_ahead_of_the_loss_is_paired():
    random = np.random.default_rng(0)
    quality = random.random(60)
    noise = random.normal(0, 0.3, 60)
    rows = pd.DataFrame({"seed": 0, "share": 0.2, "accuracy": -quality, "test_loss": quality, "loss": quality + noise})
    rows = rows.assign(better=quality, equal=rows.loss + 1, worse=random.random(60))
    for outcome in ("accuracy", "test_loss"):
        found = {name: survival.ahead(rows, name, outcome) for name in ("better", "equal", "worse")}
        assert found["equal"] == (0, 0, 0)
        assert 0 < found["better"][1] < found["better"][0] < found["better"][2]
        assert found["worse"][2] < 0
        assert found["better"][0] == pytest.approx(1 - abs(survival.within(rows, "loss", outcome)))
    assert np.isnan(survival.ahead(rows.assign(accuracy=1.0), "better")).all()


def test_a_file_of_survival_from_before_repairs_is_read(tmp_path):
    write(tmp_path)
    survived(tmp_path, 0, retrained(0))
    study = pruning_runs.read_study("toy", [0], tmp_path)
    found = survival.section(study)
    assert list(found.table["before retraining"].unique()) == ["loss as it is"]
    assert "τ with test loss" not in found.table
    assert page_of(study, tmp_path / "out")["pruning"][0]["name"] == "toy"
    survived(tmp_path, 0, [{"loss after bias": "low"} | row for row in retrained(0)])
    with pytest.raises(BadInput, match=r"loss after bias.* must be a number"):
        pruning_runs.read_study("toy", [0], tmp_path)


def test_runs_of_other_criteria_may_be_of_other_criteria_files(tmp_path):
    write(tmp_path, seed=0, criteria="t")
    write(tmp_path, seed=0, name="other", criteria="u")
    assert list(pruning_runs.read_study("toy", [0], tmp_path).runs) == ["good", "other"]
    write(tmp_path, seed=1, criteria="t")
    write(tmp_path, seed=1, name="other", criteria="v")
    with pytest.raises(BadInput, match=r"0/pruning/other.* and .*1/pruning/other.* are of different sources \(u and v\)"):
        pruning_runs.read_study("toy", [0, 1], tmp_path)
