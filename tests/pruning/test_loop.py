"""The loop: which maps go, what the updates show, where it stops, and that a killed run goes on to the same result."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from killed_loop import same_bits, went_on
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.scores import l2
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.loop import loop as loop_file
from pruning_oracle.pruning.loop import updates as updates_file
from pruning_oracle.pruning.loop.gathering import EvidenceFromUpdates
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.ranking import by_oracle, lowest, scaled
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import start
from pruning_oracle.pruning.loop.updates import optimizer, training_minibatches, update_once

QUICK = PruningSettings(remove=2, updates=2, rate=0.01, batch=4, target=Target("maps", 0.5), flops_lambda=0.0)


def case_of(name="residual", precision="float32"):
    return toy_case(name, 24, precision)


def run(case, settings, name="taylor", keep=lambda state: None):
    known = None if name.startswith("oracle") else choose_criteria([name])[0]
    return Loop(start(case), dataclasses.replace(settings, criterion=name), known, keep).run()


def tensors(case):
    return {name: tensor.numpy() for name, tensor in case.model.state_dict().items()}


def test_the_lowest_go_over_all_sites_but_never_a_sites_last():
    case = case_of("plain")
    assert [site.maps for site in case.sites] == [5, 4]
    scores = [np.array([5.0, 0.1, 4.0, 0.3, 6.0]), np.array([0.2, 0.4, 0.05, 0.15])]
    assert lowest(case, scores, 2) == {case.sites[1].name: [2], case.sites[0].name: [1]}
    every = lowest(case, scores, 100)
    assert sorted(every[case.sites[1].name]) == [0, 2, 3]
    assert sorted(every[case.sites[0].name]) == [0, 1, 2, 3]
    scores[0][2] = np.nan
    with pytest.raises(BadInput, match=f"map 2 of site '{case.sites[0].name}' is undefined"):
        lowest(case, scores, 100)


@pytest.mark.parametrize("name", ["plain", "residual", "clips"])
def test_the_updates_show_what_passes_of_their_own_show(name):
    """With a rate of 0 and in eval mode an update leaves the network as it is, so that both see the same."""
    case = toy_case(name, 24)
    needs = frozenset({"gate_grad", "product_magnitude", "weight_product", "mean", "largest"})
    settings = PruningSettings(rate=0.0, weight_decay=0.0, batch=6)
    gathering = EvidenceFromUpdates(case, needs)
    labels, step = [], optimizer(case.model, settings, {})
    for update, batch in zip(range(3), training_minibatches(case, settings, 0, lambda inputs, generator: inputs), strict=False):
        update_once(case, step, batch, update, gathering)
        labels.append(batch.labels)
    order = torch.randperm(48, generator=loop_rows(settings)).tolist()[:18]
    expected = collect(case, order, 5, needs | {"weight_grad"}, "test")
    found = gathering.evidence(0)
    for site in case.sites:
        ours, theirs = found[site.name], expected[site.name]
        assert torch.equal(ours.labels, torch.cat(labels))
        assert torch.equal(ours.positions, theirs.positions)
        for part in needs:
            assert theirs.statistics[part].abs().max() > 0
            torch.testing.assert_close(ours.statistics[part], theirs.statistics[part], rtol=1e-9, atol=1e-12)


def loop_rows(settings):
    from pruning_oracle.pruning.loop.updates import _generator  # noqa: PLC0415 (the order of an epoch)

    return _generator(settings.seed, 1, 0)


def test_weight_gradients_are_means_over_the_updates():
    case, needs = toy_case("plain", 24), frozenset({"weight_grad"})
    settings = PruningSettings(rate=0.0, weight_decay=0.0, batch=6)
    gathering, step = EvidenceFromUpdates(case, needs), optimizer(case.model, settings, {})
    for update, batch in zip(range(3), training_minibatches(case, settings, 0, lambda inputs, generator: inputs), strict=False):
        update_once(case, step, batch, update, gathering)
    order = torch.randperm(48, generator=loop_rows(settings)).tolist()[:18]
    expected = collect(case, order, 5, needs, "test")
    for site in case.sites:
        ours, theirs = (found[site.name].weight_grad for found in (gathering.evidence(0), expected))
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_every_step_is_recorded():
    case = case_of()
    state = run(case, QUICK)
    first, last = state.rows[0], state.rows[-1]
    total = sum(site.maps for site in case.sites)
    assert [row["maps"] for row in state.rows] == [*range(total, -(-total // 2), -2), -(-total // 2)]
    assert last["flops"] == cost.whole(state.pruned.case).flops < first["flops"]
    assert last["parameters"] == sum(parameter.numel() for parameter in state.pruned.case.model.parameters())
    assert last["sites"] == [site.maps for site in state.pruned.case.sites]
    assert last["updates"] == 2 * len(state.rows)
    gone = [tuple(owner) for row in state.rows[1:] for owner in row["removed"]]
    assert len(set(gone)) == len(gone) == total - last["maps"]
    left = {(site, index) for site, maps in state.pruned.maps.items() for index in maps}
    assert left == {(site.name, index) for site in case.sites for index in range(site.maps)} - set(gone)
    assert first["train_loss"] > 0
    assert {"learning", "scoring", "cutting", "testing"} <= last["seconds"].keys()


def test_without_learning_the_first_maps_to_go_are_the_lowest_by_the_criterion():
    case = case_of()
    settings = dataclasses.replace(QUICK, updates=0, examples=24, scaling="l2", remove=3)
    state, known = run(case, settings, "weight_l1"), choose_criteria(["weight_l1"])[0]
    evidence = collect(case, case.split(24)[0], 8, known.needs, "test")
    scores = l2([known.reduce(known(evidence[site.name])).double().numpy() for site in case.sites])
    expected = sorted((name, index) for name, maps in lowest(case, scores, 3).items() for index in maps)
    assert [tuple(owner) for owner in state.rows[1]["removed"]] == expected
    assert tensors_of_left(state, case)


def tensors_of_left(state, case):
    """Without learning the weights that are left are those of the whole network."""
    name = case.sites[0].convolutions[0]
    kept = list(state.pruned.maps[case.sites[0].name])
    return torch.equal(state.pruned.case.model.get_submodule(name).weight, case.model.get_submodule(name).weight[kept])


def test_the_oracle_in_the_loop_is_the_oracle(tmp_path):
    from pruning_oracle.oracle.literal import literal  # noqa: PLC0415

    case = case_of("plain", "float64")
    rows = case.split(6)[0]
    batch = next(case.batches(case.train, rows, 6))
    for name, reduce in (("oracle_abs", lambda change: change.mean(0).abs()), ("oracle_loss", lambda change: change.mean(0))):
        expected = [reduce(literal(case, site, batch)).numpy() for site in case.sites]
        for ours, theirs in zip(by_oracle(case, name, rows, 4), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    settings = dataclasses.replace(QUICK, updates=0, examples=6, again=2, remove=1, scaling="none")
    state = run(case, settings, "oracle_loss")
    scores = by_oracle(case, "oracle_loss", rows, 4)
    first = min((score, place, index) for place, site in enumerate(scores) for index, score in enumerate(site))
    assert tuple(state.rows[1]["removed"][0]) == (case.sites[first[1]].name, first[2])


def test_flops_regularisation_subtracts_what_a_map_costs_now():
    case = case_of("plain")
    scores = [np.ones(5), np.ones(4)]
    settings = dataclasses.replace(QUICK, scaling="none", flops_lambda=10.0)
    mflops = {name: whole.made / 1e6 for name, whole in cost.maps(case).items()}
    for site, score in zip(case.sites, scaled(case, scores, settings), strict=True):
        np.testing.assert_allclose(score, 1 - 10 * mflops[site.name])


@pytest.mark.parametrize("text", ["flops=0.5", "parameters=0.5", "maps=0.6"])
def test_targets(text):
    target = Target.parse(text)
    state = run(case_of(), dataclasses.replace(QUICK, target=target))
    name, first, last, before = target.quantity, state.rows[0], state.rows[-1], state.rows[-2]
    assert last[name] <= target.value * first[name] + (1 if name == "maps" else 0)
    assert before[name] > target.value * first[name]


def accuracies(monkeypatch, values):
    """Test accuracies as they shall be found, the whole network's first."""
    every = iter([0.9, values[0], *values])  # of the training examples; of the whole network again after the first updates
    monkeypatch.setattr(loop_file, "evaluate", lambda case, data, rows: (1.0, next(every)))


def test_too_much_accuracy_lost_goes_back_to_the_last_network_that_holds_it(monkeypatch):
    accuracies(monkeypatch, [0.9, 0.88, 0.86, 0.84, 0.82, 0.8, 0.78])
    state = run(case_of(), dataclasses.replace(QUICK, remove=1, target=Target.parse("accuracy=-0.05")))
    assert [row["test_accuracy"] for row in state.rows] == [0.9, 0.88, 0.86]
    assert sum(site.maps for site in state.pruned.case.sites) == state.rows[-1]["maps"]
    assert len(state.scores) == len(state.pruned.case.sites)
    assert state.update == state.rows[-1]["updates"]


def test_a_single_bad_step_does_not_end_a_run_for_accuracy(monkeypatch):
    accuracies(monkeypatch, [0.9, 0.88, 0.7, 0.87, 0.86, 0.6, 0.6, 0.6, 0.6])
    state = run(case_of(), dataclasses.replace(QUICK, remove=1, target=Target.parse("accuracy=-0.05")))
    assert [row["test_accuracy"] for row in state.rows] == [0.9, 0.88, 0.7, 0.87, 0.86]


def test_a_run_for_accuracy_that_ends_on_a_bad_network_goes_back_too(monkeypatch):
    case = case_of("plain")
    most = sum(site.maps - 1 for site in case.sites)
    accuracies(monkeypatch, [0.9] * most + [0.5])
    state = run(case, dataclasses.replace(QUICK, remove=1, target=Target.parse("accuracy=-0.05")))
    assert [row["test_accuracy"] for row in state.rows] == [0.9] * most
    assert state.rows[-1]["maps"] == sum(site.maps for site in state.pruned.case.sites) == len(case.sites) + 1


def test_rounding_moves_no_target():
    """0.07 × 100 is 7.000000000000001: a target of 8 would never be called reached."""
    assert [Target("maps", share).least(100) for share in (0.07, 0.14, 0.075, 0.5)] == [7, 14, 8, 50]
    assert Target("flops", 0.07).least(100) == 7


@pytest.mark.parametrize("updates", [0, 4])
def test_learning_that_breaks_the_network_at_its_very_end_is_taken_back(monkeypatch, updates):
    """The loss of the last update is that of the network before it."""
    case = case_of("plain")
    before, count = tensors(case), [0]

    def breaking(*given):
        count[0] += 1
        found = update_once(*given)
        if count[0] == (6 if updates == 0 else 2):
            next(iter(given[0].model.parameters())).data.fill_(float("nan"))
        return found

    monkeypatch.setattr(updates_file, "update_once", breaking)
    state = run(case, dataclasses.replace(QUICK, final_updates=updates))
    assert "the test loss is nan after fine-tuning update" in state.why
    found = tensors(state.pruned.case)
    assert all(np.isfinite(tensor).all() for tensor in found.values())
    assert len(state.rows) == (2 if updates == 0 else 1)
    if updates:
        assert all(np.array_equal(tensor, before[name]) for name, tensor in found.items())


def test_a_state_that_was_finished_learns_no_more(tmp_path):
    keeper = StateFile(tmp_path / "a.state", {"a": 1})
    settings = dataclasses.replace(QUICK, final_updates=2)
    first = Loop(start(case_of()), settings, choose_criteria(["taylor"])[0], lambda state: None).run()
    keeper.save(first)
    again = Loop(keeper.found(case_of()), settings, choose_criteria(["taylor"])[0], lambda state: None).run()
    assert len(again.rows) == len(first.rows)
    assert again.update == first.update


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("maps=0.01", r"maps=0\.01 cannot be reached.*maps=0\.\d+ is left"),
        ("flops=0.0001", r"cannot be reached.*flops=0\.\d+ is left"),
    ],
)
def test_a_target_that_cannot_be_reached(text, said):
    with pytest.raises(BadInput, match=said):
        run(case_of(), dataclasses.replace(QUICK, target=Target.parse(text)))


@pytest.mark.parametrize("text", ["maps", "maps=2", "accuracy=0.1", "size=0.3", "flops=x", "flops=nan"])
def test_a_target_that_is_none(text):
    with pytest.raises(BadInput, match="--target"):
        Target.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [{"remove": 0}, {"updates": -1}, {"rate": float("nan")}, {"momentum": 1.0}, {"scaling": "l3"}, {"flops_lambda": -1.0}],
)
def test_settings_that_are_wrong(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong)).split("_")[0]):
        PruningSettings(**wrong)


def test_updates_are_counted_over_all_steps(monkeypatch):
    """Each seeds dropout by its number: none may come twice."""
    seen, update_once = [], updates_file.update_once
    monkeypatch.setattr(updates_file, "update_once", lambda *given: seen.append(given[3]) or update_once(*given))
    state = run(case_of(), dataclasses.replace(QUICK, final_updates=3))
    assert len(state.rows) > 2
    assert seen == list(range(state.rows[-1]["updates"]))


def test_the_rate_of_the_final_updates_falls_to_nothing(monkeypatch):
    rates, update_once = [], updates_file.update_once
    monkeypatch.setattr(
        updates_file, "update_once", lambda *given: rates.append(given[1].param_groups[0]["lr"]) or update_once(*given)
    )
    run(case_of(), dataclasses.replace(QUICK, final_updates=4))
    assert rates[-4:] == pytest.approx([QUICK.rate * (1 + math.cos(math.pi * update / 4)) / 2 for update in range(4)])
    assert set(rates[:-4]) == {QUICK.rate}


def test_learning_that_diverges_keeps_the_last_good_network():
    case = case_of("plain")
    before = tensors(case)
    state = run(case, dataclasses.replace(QUICK, rate=10.0, momentum=0.99, updates=60))
    for name, tensor in tensors(state.pruned.case).items():
        np.testing.assert_array_equal(tensor, before[name])
    assert "at fine-tuning update" in state.why
    assert len(state.rows) == 1


def test_a_criterion_that_breaks_is_named():
    broken = dataclasses.replace(choose_criteria(["taylor"])[0], name="broken", saliency=lambda site: site.gate_grad / 0)
    with pytest.raises(BadInput, match="criterion 'broken' at site"):
        Loop(start(case_of()), QUICK, broken, lambda state: None).run()


@pytest.mark.parametrize("name", ["taylor", "random", "activation_deviation", "brain_damage", "oracle_abs"])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, name):
    """Killed after every step and within the final fine-tuning in turn, and started again from what was kept."""
    monkeypatch.setattr(loop_file, "KEPT", 2)
    settings = dataclasses.replace(QUICK, final_updates=5, criterion=name, examples=0 if name != "oracle_abs" else 6)
    known = None if name.startswith("oracle") else choose_criteria([name])[0]
    whole = Loop(start(case_of()), settings, known, lambda state: None).run()
    same_bits(whole, went_on(case_of, settings, known, tmp_path / "a.state"))


def test_the_network_to_go_back_to_is_kept_too(tmp_path):
    state = run(case_of(), QUICK)
    state.good = start(case_of()).marked()
    state.good.rows = state.rows[:1]
    keeper = StateFile(tmp_path / "a.state", {"a": 1})
    keeper.save(state)
    found = keeper.found(case_of())
    assert len(found.rows) > len(found.good.rows) == 1
    for one, other in ((state, found), (state.good, found.good)):
        assert [site.maps for site in other.pruned.case.sites] == [site.maps for site in one.pruned.case.sites]
        for name, tensor in tensors(one.pruned.case).items():
            np.testing.assert_array_equal(tensor, tensors(other.pruned.case)[name])
    found.take_back()
    assert found.good is None
    assert [site.maps for site in found.pruned.case.sites] == [site.maps for site in case_of().sites]


def test_a_state_of_another_setting_is_not_used(tmp_path):
    case = case_of()
    state = run(case, QUICK)
    StateFile(tmp_path / "a.state", {"a": 1}).save(state)
    assert not StateFile(tmp_path / "a.state", {"a": 2}).found(case_of()).rows
    assert len(StateFile(tmp_path / "a.state", {"a": 1}).found(case_of()).rows) == len(state.rows)


def test_momenta_are_cut_with_the_weights():
    case = case_of("plain")
    generator = torch.Generator().manual_seed(0)
    known = {name: torch.randn(parameter.shape, generator=generator) for name, parameter in case.model.named_parameters()}
    state = start(case)
    state.momenta, state.scores = known, [np.arange(5.0), np.arange(4.0)]
    kept = Loop(state, QUICK, choose_criteria(["random"])[0], lambda state: None)
    kept._cut({case.sites[0].name: [1]})
    name = f"{case.sites[0].convolutions[0]}.weight"
    assert torch.equal(state.momenta[name], known[name][[0, 2, 3, 4]])
    assert state.scores[0].tolist() == [0, 2, 3, 4]
