"""On a device of its own, a network is pruned, saved, taken up again, timed and fine-tuned as on the CPU, to the same bits."""

import copy
import dataclasses

import pytest
import torch
from standin import DEVICE, DRIVER
from toys import toy_case

from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.pruning import latency
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import start

QUICK = PruningSettings(remove=2, updates=2, rate=0.01, batch=4, target=Target("maps", 0.5), flops_lambda=0.0, final_updates=3)
DEVICES = ("cpu", "standin")


def pruned(device, name, keep=lambda state: None, state=None, toy="residual"):
    known = None if name.startswith("oracle") else choose_criteria([name])[0]
    settings = dataclasses.replace(QUICK, criterion=name, examples=6 if known is None else 0)
    state = state or start(toy_case(toy, 24, "float32").to(device, "float32"))
    return Loop(state, settings, known, keep).run()


def weights(state):
    return {name: tensor.cpu() for name, tensor in state.pruned.case.model.state_dict().items()}


@pytest.mark.parametrize("name", ["taylor", "weight_l2", "brain_damage", "oracle_abs"])
def test_a_pruning_run_deletes_and_learns_as_on_the_cpu(name):
    here, there = (pruned(device, name) for device in DEVICES)
    assert {tensor.device for tensor in there.pruned.case.model.state_dict().values()} == {DEVICE}
    assert [row["removed"] for row in there.rows if "removed" in row] == [
        row["removed"] for row in here.rows if "removed" in row
    ]
    for part, tensor in weights(here).items():
        torch.testing.assert_close(weights(there)[part], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("taken_up", DEVICES)
def test_a_killed_run_is_taken_up_on_either_device(tmp_path, taken_up):
    keeper = StateFile(tmp_path / "a.state", {"a": 1}, seconds=0.0)
    asked = 0

    def kill(state):
        nonlocal asked
        keeper(state)
        asked += 1
        if asked == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pruned("standin", "taylor", kill)
    case = toy_case("residual", 24, "float32").to(taken_up, "float32")
    found, whole = pruned(taken_up, "taylor", state=keeper.found(case)), pruned("standin", "taylor")
    assert next(found.pruned.case.model.parameters()).device.type == taken_up
    for part, tensor in weights(whole).items():
        torch.testing.assert_close(weights(found)[part], tensor, rtol=0, atol=0)


def test_a_copy_of_a_case_stays_on_its_device():
    case = toy_case("plain").to("standin", "float32")
    assert next(copy.deepcopy(case.model).parameters()).device == DEVICE
    assert case.to("cpu", "float32").device.type == "cpu"


def test_latency_is_measured_after_the_device_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "WAYS", {"eager": latency.eager, "onnxruntime": latency.onnx})
    monkeypatch.setattr(latency, "BATCHES", (2,))
    monkeypatch.setattr(latency, "SECONDS", 0.01)
    whole = toy_case("residual", 24, "float32").to("standin", "float32")
    smaller = pruned("standin", "weight_l2").pruned.case
    waits = DRIVER.waits
    rows = latency.measure_latency(whole, smaller, tmp_path / "network.onnx")
    assert [(row["way"], row["network"]) for row in rows] == [("eager", "whole"), ("eager", "pruned")]
    assert DRIVER.waits - waits >= 2 * sum(row["passes"] for row in rows), "before and after every pass"
