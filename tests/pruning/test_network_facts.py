"""A file of a pruned network is data: it names no code, and whatever is wrong in it is one sentence."""

import dataclasses

import numpy as np
import pytest
import torch
from commands import CASE, command
from pruned_networks import pruned, third
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.cutting.surgery import cut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.registry import CASES, Definition
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.loop.resume import KIND as STATE
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import start

pytest.importorskip("torch_pruning", reason="torch-pruning, which cuts layers, is not installed")

FACTS = {"precision": "float32", "settings": {"criterion": "taylor"}}


@pytest.fixture
def toy():
    """A toy that is a registered case, as long as the test runs."""
    CASES["toy"] = Definition("toy", lambda seed: toy_case("plain"), __file__)
    yield toy_case("plain")
    for name in ("toy", "mine"):
        CASES.pop(name, None)


@pytest.fixture
def file(tmp_path, toy):
    """The file of a pruned toy."""
    smaller = cut(pruned(dataclasses.replace(toy, name="toy")), third(toy, torch.Generator().manual_seed(0)))
    network_file.save_network(tmp_path / "a.network", smaller, FACTS)
    return runs.load(tmp_path / "a.network", "network")


def changed(file, change):
    """The file with another content and a right checksum, as an enemy writes it."""
    facts, arrays = dict(file.facts), dict(file.arrays)
    change(facts, arrays)
    runs.save(file.path, "network", arrays, facts)
    return file.path


def test_a_right_file_is_loaded(file):
    case, facts = network_file.load_network(file.path)
    assert case.name == "toy"
    assert facts["network"] == runs.load(file.path, "network").checksum
    assert [site.maps for site in case.sites] == [len(file.facts["maps"][site.name]) for site in case.sites]


EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n" + CASE.format(label="1", mode=".eval()")


@pytest.mark.parametrize(
    "name", ["FOLDER/evil.py", "evil.py", "../x", "torchvision:resnet18 --data npz:a.npz", "timm:x", "nope"]
)
def test_no_code_that_a_file_names_is_run(tmp_path, file, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(EVIL)
    path = changed(file, lambda facts, arrays: facts.update(case=name.replace("FOLDER", str(tmp_path))))
    for tool in ("export", "latency", "scratch"):
        done = command(tool, str(path), folder=tmp_path)
        assert done.returncode == 2
        assert "which is not one of the suite's: say what it is, --source FILE.py" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    with pytest.raises(BadInput, match=r"but evil.py holds 'mine'"):
        network_file.load_network(path, "evil.py")
    assert (tmp_path / "ran").exists(), "what the user names is run"


def first(facts):
    """The maps that are left of the first site."""
    return next(iter(facts["maps"].values()))


DAMAGE = {
    "no case": lambda facts, arrays: facts.pop("case"),
    "a case that is no text": lambda facts, arrays: facts.update(case=["toy"]),
    "no maps": lambda facts, arrays: facts.pop("maps"),
    "maps are a list": lambda facts, arrays: facts.update(maps=[]),
    "no settings": lambda facts, arrays: facts.pop("settings"),
    "a seed of text": lambda facts, arrays: facts.update(seed="0"),
    "a seed too large": lambda facts, arrays: facts.update(seed=2**40),
    "no such precision": lambda facts, arrays: facts.update(precision="fp8"),
    "a map of text": lambda facts, arrays: first(facts).append("all"),
    "a map twice": lambda facts, arrays: first(facts).append(first(facts)[-1]),
    "a map that there is not": lambda facts, arrays: first(facts).append(10**15),
    "no map": lambda facts, arrays: first(facts).clear(),
    "fewer maps than weights": lambda facts, arrays: first(facts).pop(),
    "a site of another network": lambda facts, arrays: facts["maps"].update(nowhere=[0]),
    "weights that are no numbers": lambda facts, arrays: arrays["features.0.weight"].fill(np.nan),
    "weights of another shape": lambda facts, arrays: arrays.update({"features.0.weight": np.zeros((1, 1, 1, 1), np.float32)}),
    "weights that are missing": lambda facts, arrays: arrays.pop("features.0.weight"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_wrong_in_a_file_is_one_sentence(file, damage):
    path = changed(file, DAMAGE[damage])
    with pytest.raises(BadInput, match=r"a\.network\b") as refused:
        network_file.load_network(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", ["maps", "rows", "final", "momentum", "network", "done"])
def test_what_is_wrong_in_a_state_is_one_sentence(tmp_path, toy, damage):
    state = start(toy)
    state.momenta = {name: torch.zeros_like(parameter) for name, parameter in toy.model.named_parameters()}
    keeper = StateFile(tmp_path / "a", {"a": 1})
    keeper.save(state)
    assert keeper.found(toy).momenta.keys() == state.momenta.keys()
    file = runs.load(keeper.path, STATE)
    arrays = {name: array[:1] if name.startswith(damage) and array.ndim else array for name, array in file.arrays.items()}
    facts = file.facts | ({} if damage in {"momentum", "network"} else {damage: [{}]})
    runs.save(keeper.path, STATE, arrays, facts)
    with pytest.raises(BadInput, match=r"\.state\b"):
        keeper.found(toy)
