"""A pruned network as a file: another process loads it, exports it and times it, and gets the same outputs."""

import copy
import dataclasses
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from commands import CASE, command, surroundings
from networks import sweep
from pruned_networks import network_case, pruned, third
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.cutting.surgery import cut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.weights import shipped
from pruning_oracle.pruning import latency
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.export import export
from pruning_oracle.pruning.scratch import reset, train_from_nothing

MINE = CASE.format(label=1, mode=".eval()")
FEW = [
    "--final-updates",
    "0",
    "--remove",
    "1",
    "--updates",
    "2",
    "--batch",
    "4",
    "--target",
    "maps=0.5",
    "--run-name",
    "few",
    "--out",
    "here",
]


def smaller(case):
    return smaller_network(case).case


def smaller_network(case):
    return cut(pruned(case), third(case, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    "name", ["vgg-digits", "resnet-digits", "r3dcnn-gestures", "clips", *sweep(["mobilenet_v2", "resnet50"])]
)
def test_what_is_described_is_loaded(name):
    """Into the whole network, as any process has it; without surgery."""

    def whole():
        return load(name, 0) if "-" in name else toy_case(name) if name == "clips" else network_case(name)

    less = smaller_network(whole())
    case = less.case
    facts = json.loads(json.dumps(network_file.description(less)))
    found = network_file.rebuild(pruned(whole()), facts, shipped.arrays(case.model), "a test").case
    inputs = next(case.batches(case.train, range(3), 3)).inputs
    with torch.no_grad():
        assert torch.equal(found.model(inputs), case.model(inputs))
    assert found.sites == case.sites


WRONG = {
    "another network": ({"features.0": [0]}, "describes a site 'features.0', which the network of unnamed has not"),
    "a map beyond": ({"conv": [0, 3]}, "the maps of site 'conv' must be numbers from 0 to 2, each once, in order"),
    "a map twice": ({"conv": [1, 1]}, "each once"),
    "no map": ({"conv": []}, "each once"),
    "text": ({"conv": "01"}, "each once"),
    "truth": ({"conv": [True]}, "each once"),
    "nothing": ({}, "does not say which maps are left"),
    "a list": ([1], "does not say which maps are left"),
    "missing": (None, "does not say which maps are left"),
    "other tensors": ({"conv": [0]}, "holds weights for another architecture"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_description_of_another_network_is_refused(wrong):
    maps, message = WRONG[wrong]
    arrays = shipped.arrays(smaller(toy_case("clips")).model)
    with pytest.raises(BadInput, match=message):
        network_file.rebuild(pruned(toy_case("clips")), {"maps": maps}, arrays, "a test")


def test_pruned_by_one_process_loaded_and_exported_by_another(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    done = command("pruning", "mine.py", *FEW, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "66.7% of its maps" in done.stdout
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["few.network", "few.safetensors"]
    file = runs.load(tmp_path / "here/few.safetensors", "pruning")
    assert [row["maps"] for row in file.facts["rows"]] == [3, 2]
    assert file.facts["settings"]["target"] == "maps=0.5"
    done = command("export", "here/few.network", "--source", "mine.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    script = """
import onnxruntime, torch
from pathlib import Path
from pruning_oracle.pruning.cutting.network_file import load_network
case, facts = load_network(Path("here/few.network"), "mine.py")
inputs = next(case.batches(case.train, range(5), 5)).inputs
ours = case.model(inputs).detach()
session = onnxruntime.InferenceSession("here/few.onnx")
theirs = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0]
assert torch.allclose(ours, torch.from_numpy(theirs), atol=1e-5)
assert case.sites[0].maps == 2
"""
    where = surroundings()
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=where, check=True)
    content = (tmp_path / "here/few.network").read_bytes()
    (tmp_path / "here/few.network").write_bytes(content[:-8])
    done = command("export", "here/few.network", "--source", "mine.py", folder=tmp_path)
    assert done.returncode == 2
    assert "truncated" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_gru_is_exported_for_any_number_of_examples(tmp_path):
    case = smaller(load("r3dcnn-gestures", 0))
    assert export(case, tmp_path / "a.onnx") < 1e-5
    assert (tmp_path / "a.onnx").stat().st_size > 10_000


MISTAKES = {
    "a target that is none": (["--target", "size=3"], "unknown --target 'size': choose from accuracy, flops, maps, parameters"),
    "a share beyond 1": (["--target", "maps=3"], "--target maps=3: allowed is a share between 0 and 1"),
    "a target out of reach": (["--target", "flops=0.01"], "flops=0.01 cannot be reached: a site keeps at least one map"),
    "no such criterion": (["--criterion", "tailor"], "unknown criterion 'tailor'"),
    "what the network lacks": (["--criterion", "norm_gamma"], "criterion 'norm_gamma' is unavailable here, since it needs"),
    "no such scaling": (["--scaling", "l7"], "unknown --scaling 'l7': choose from l1, l2, none, rank"),
    "a precision too coarse": (["--precision", "bfloat16"], "unknown precision 'bfloat16': choose from float32, float64, tf32"),
    "nothing to remove": (["--remove", "0"], "--remove is 0; allowed are whole numbers from 1 to 1000000"),
    "learning that diverges": (["--rate", "10", "--updates", "30", "--target", "maps=0.5"], "the last good network is kept in"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(tmp_path, mistake):
    words, message = MISTAKES[mistake]
    far = MINE.replace("torch.randn(20, 1, 2, 2)", "torch.randn(20, 1, 2, 2) * 1e4")
    far = far.replace("torch.full((20,), 1)", "torch.arange(20) % 2")
    (tmp_path / "mine.py").write_text(far if mistake == "learning that diverges" else MINE)
    done = command("pruning", "mine.py", "--batch", "4", *words, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert [line.split(":")[0] for line in done.stderr.splitlines() if ": " in line and "gone" not in line] == ["error"]
    assert "Traceback" not in done.stderr


def test_killed_by_the_system_the_command_goes_on(tmp_path):
    (tmp_path / "mine.py").write_text(MINE.replace("Conv2d(1, 3, 1)", "Conv2d(1, 60, 1)").replace("(12, 2)", "(240, 2)"))
    where = surroundings()
    call = [sys.executable, "-m", "pruning_oracle.pruning", "mine.py", *FEW, "--keep", "0", "--updates", "20"]
    running = subprocess.Popen(call, cwd=tmp_path, env=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("here/few.*.state")) and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert list(tmp_path.glob("here/few.*.state"))
    assert not (tmp_path / "here/few.safetensors").exists()
    subprocess.run(call, cwd=tmp_path, env=where, check=True, capture_output=True)
    again = [*call[:-2], "--updates", "20", "--run-name", "whole"]
    subprocess.run(again, cwd=tmp_path, env=where, check=True, capture_output=True)
    first, second = (runs.load(tmp_path / f"here/{name}.network", "network").arrays for name in ("few", "whole"))
    assert runs.digest(first) == runs.digest(second)
    assert not list(tmp_path.glob("here/*.state"))


def test_latency_is_of_both_networks_by_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "BATCHES", (1, 4))
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    asked = []

    def counting(case, inputs, scratch):
        return lambda: asked.append((case.sites[0].maps, len(inputs)))

    def failing(case, inputs, scratch):
        raise RuntimeError("no compiler\nmore")

    monkeypatch.setattr(latency, "WAYS", {"eager": counting, "compiled": failing})
    case = toy_case("plain")
    few = smaller(case)
    rows = latency.measure_latency(case, few, tmp_path / "scratch")
    turns = [(case.sites[0].maps, 1), (few.sites[0].maps, 1)]
    assert asked[: 6 + 2 * latency.LEAST] == [turns[0]] * 3 + [turns[1]] * 3 + turns * latency.LEAST
    assert [row["network"] for row in rows[:4]] == ["whole", "pruned"] * 2
    assert all(row["5 %"] <= row["median"] <= row["95 %"] for row in rows[:4])
    assert [row["missing"] for row in rows[4:]] == ["RuntimeError: no compiler"] * 2
    assert "missing, RuntimeError" in "\n".join(latency.latency_lines(rows))


def test_the_gain_is_of_the_pruned_network(monkeypatch):
    monkeypatch.setattr(latency, "BATCHES", (1,))
    both = [
        {"way": "eager", "batch": 1, "network": name, "median": median} for name, median in (("whole", 3e-3), ("pruned", 2e-3))
    ]
    assert latency.latency_lines(both) == ["eager        batch   1:     3.00 ms →     2.00 ms, 1.5 times as fast"]


def test_latencies_ways_run_the_network(tmp_path):
    case = dataclasses.replace(toy_case("plain", precision="float32"))
    inputs = next(case.batches(case.train, range(2), 2)).inputs
    with torch.no_grad():
        expected = case.model(inputs).numpy()
        np.testing.assert_allclose(latency.eager(case, inputs, tmp_path / "a")().numpy(), expected)
        np.testing.assert_allclose(latency.onnx(case, inputs, tmp_path / "a")()[0], expected, rtol=1e-4, atol=1e-5)


def test_trained_from_nothing_means_new_weights_everywhere():
    case = smaller(toy_case("plain"))
    before = {name: parameter.clone() for name, parameter in case.model.named_parameters()}
    again = reset(copy.deepcopy(case.model))
    for name, parameter in again.named_parameters():
        assert parameter.shape == before[name].shape
        assert not torch.equal(parameter, before[name])
    again.register_parameter("own", torch.nn.Parameter(torch.ones(1)))
    with pytest.raises(BadInput, match="the network itself holds parameters"):
        reset(again)
    with pytest.raises(BadInput, match="has no training recipe"):
        train_from_nothing(case, "cnn3-cifar10", 0)
