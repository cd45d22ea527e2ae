"""Repairs in the pruning loop: what they see, what the steps say, and that a killed run goes on."""

import dataclasses

import pytest
import torch
from killed_loop import same_bits, went_on
from toys import toy_case

from pruning_oracle.bench.cutting.surgery import cut, uncut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.load import load, registered
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for, repairs_of
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.cutting.network_file import load_network
from pruning_oracle.pruning.loop import loop as loop_file
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.repairing import examples_of_repair
from pruning_oracle.pruning.loop.state import start
from pruning_oracle.pruning.loop.updates import training_minibatches
from pruning_oracle.pruning.run import run_pruning
from pruning_oracle.pruning.studies import STILL, STILL_REPAIRED, WITH_BATCH_NORM, studies
from pruning_oracle.reports.inputs.pruning_runs import MORE

TAYLOR = choose_criteria(["taylor"])[0]
QUICK = PruningSettings(
    remove=2, updates=2, rate=0.01, batch=4, target=Target("maps", 0.5), flops_lambda=0.0, repair="both", repair_examples=20
)
UNLEARNT = dataclasses.replace(QUICK, updates=0, examples=12, remove=3)


def case_of(name="residual", repair="both"):
    return ready_for(toy_case(name, 24, "float32"), repair)


def tensors(case):
    return {name: tensor.numpy() for name, tensor in case.model.state_dict().items()}


def test_every_step_says_the_loss_before_and_after_each_repair():
    case = case_of()
    state = Loop(start(case), UNLEARNT, TAYLOR, lambda state: None).run()
    first, *steps = state.rows
    assert "removed_loss" not in first
    for row in steps:
        assert row["test_loss"] == row["batchnorm_loss"]  # nothing is learnt in between
        assert len({row["removed_loss"], row["bias_loss"], row["batchnorm_loss"]}) == 3
        assert row["seconds"]["repairing"] > 0
    gone = {}
    for site, index in steps[0]["removed"]:
        gone.setdefault(site, []).append(index)
    plain = cut(uncut(case), gone).case
    assert steps[0]["removed_loss"] == pytest.approx(evaluate(plain, case.test, range(len(case.test)))[0], rel=1e-5)
    expected = list(after_removal(uncut(case), gone, "both", examples_of_repair(case, UNLEARNT)))[-1][1].case
    assert steps[0]["batchnorm_loss"] == pytest.approx(evaluate(expected, case.test, range(len(case.test)))[0], rel=1e-5)


def test_repairs_see_examples_that_neither_rank_nor_are_learnt_from_nor_test(monkeypatch):
    """Every example that a repair or a ranking asks for is noted, and every minibatch."""
    case = case_of()
    aside = set(examples_of_repair(case, QUICK))
    assert len(aside) == 20
    assert aside.isdisjoint(case.split(24)[0])
    settings = dataclasses.replace(QUICK, batch=7)
    inputs = torch.stack([case.train[row][0] for row in sorted(aside)])
    for update, batch in zip(range(12), training_minibatches(case, settings, 0, lambda x, _: x, aside), strict=False):
        assert batch.examples == 7
        assert not any(torch.equal(one, other) for one in batch.inputs for other in inputs), update
    seen = []
    monkeypatch.setattr(loop_file, "after_removal", lambda *given: seen.append(given[3]) or after_removal(*given))
    learnt = []
    monkeypatch.setattr(
        loop_file, "training_minibatches", lambda *given: learnt.append(set(given[4])) or training_minibatches(*given)
    )
    Loop(start(case), QUICK, TAYLOR, lambda state: None).run()
    assert len(seen) > 1
    assert all(set(rows) == aside for rows in seen)
    assert all(rows == aside for rows in learnt)
    ranked = []
    monkeypatch.setattr(loop_file, "collect", lambda *given, **more: ranked.append(set(given[1])) or collect(*given, **more))
    Loop(start(case), UNLEARNT, TAYLOR, lambda state: None).run()
    assert all(rows.isdisjoint(aside) for rows in ranked)
    assert ranked


@pytest.mark.parametrize("repair", ["bias", "batchnorm", "both"])
def test_a_killed_run_with_repairs_goes_on_to_the_same_bits(tmp_path, repair):
    settings = dataclasses.replace(QUICK, repair=repair, final_updates=3)
    whole = Loop(start(case_of(repair=repair)), settings, TAYLOR, lambda state: None).run()
    same_bits(whole, went_on(lambda: case_of(repair=repair), settings, TAYLOR, tmp_path / "a.state"))


def test_a_network_with_biases_that_a_repair_gave_is_stored_and_built_again(tmp_path):
    case = load("resnet-digits", 0)
    changes = {"repair": "both", "repair_examples": 16, "updates": 0, "final_updates": 0, "examples": 16, "tested": 20}
    done = run_pruning(
        case,
        tmp_path,
        changes | {"target": Target("maps", 0.9), "criterion": "taylor"},
        criterion=TAYLOR,
        name="a",
        device="cpu",
    )
    assert done.facts["uncarried"] == []
    assert done.facts["test examples"] == 20
    found = load_network(tmp_path / "a.network")[0]
    assert found.model.get_submodule("stages.0.0.conv2").bias.abs().max() > 0
    loss = evaluate(found, found.test, range(20))[0]
    assert loss == pytest.approx(done.facts["rows"][-1]["test_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("vgg-digits", {"repair": "batchnorm"}, "--repair batchnorm: vgg-digits has no batch norm"),
        ("resnet-digits", {"repair": "mend"}, "unknown --repair 'mend': choose from"),
        ("resnet-digits", {"repair": "both", "repair_examples": 1000}, "1437 training examples, 512 of which rank"),
        ("resnet-digits", {"repair": "both", "repair_examples": 2}, "--repair-examples is 2; allowed are"),
    ],
)
def test_what_cannot_be_repaired_is_refused_before_any_work(tmp_path, name, changes, said):
    with pytest.raises(BadInput, match=said):
        run_pruning(load(name, 0), tmp_path, changes, criterion=TAYLOR, device="cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_the_study_without_learning_is_repaired_by_what_the_network_has(name):
    found = studies(name, more=True)
    assert [folder for folder in found if folder.startswith("pruning-still-")] == [
        STILL_REPAIRED[repair] for repair in ("bias", "batchnorm") if repair in repairs_of(load(name, 0))
    ]
    for repair, folder in STILL_REPAIRED.items():
        for run, changes in found.get(folder, {}).items():
            assert changes == found[STILL][run] | {"repair": repair}
    assert set(found) - {"pruning"} == set(found) & set(MORE)
    assert set(WITH_BATCH_NORM) <= set(registered())
