"""Weights from files: read without running code, put into a network, or grafted on one with another head; else named."""

import argparse
import pickle
import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.weights import published, state_dict

pytestmark = pytest.mark.usefixtures("data_here")


def build(classes):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "squeezenet1_0", "resnet50"])
def test_a_new_head_on_old_weights(name):
    """The weights of 1,000 classes but for the head: on the meta device, so that no memory is filled."""
    with torch.device("meta"):
        old, new = published.untrained(name, 1000), published.untrained(name, 7)
    head = state_dict._other_head(new, old.state_dict())
    assert {"alexnet": "classifier.6", "vgg16": "classifier.6", "squeezenet1_0": "classifier.1", "resnet50": "fc"}[name] == (
        head[0].rpartition(".")[0]
    )
    assert len(head) == 2
    assert state_dict._other_head(old, old.state_dict()) == []


def test_grafted_weights_are_the_old_ones_but_for_the_head(tmp_path):
    old, new = build(5), build(3)
    drawn = new[4].weight.clone()
    grafted = state_dict.graft(new, old.state_dict(), "old.pt")
    assert torch.equal(grafted[0].weight, old[0].weight)
    assert torch.equal(grafted[4].weight, drawn)


def weights_of_another(tmp_path):
    torch.save({"0.weight": torch.zeros(4, 1, 5, 5)}, tmp_path / "a.pt")
    state_dict.load_into(build(3), state_dict.read_weights(tmp_path / "a.pt"), "a.pt")


def weights_of_other_classes(tmp_path):
    save_file(build(5).state_dict(), tmp_path / "a.safetensors")
    state_dict.load_into(build(3), state_dict.read_weights(tmp_path / "a.safetensors"), "a.safetensors", "photos")


def half_a_file(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"half")
    state_dict.read_weights(tmp_path / "a.safetensors")


def code_in_a_file(tmp_path):
    torch.save({"weight": print}, tmp_path / "a.pt")
    state_dict.read_weights(tmp_path / "a.pt")


def a_grafted_other(tmp_path):
    found = build(5).state_dict() | {"0.weight": torch.zeros(4, 1, 5, 5)}
    state_dict.graft(build(3), found, "a.pt")


def a_head_on_other_features(tmp_path):
    found = build(5).state_dict() | {"4.weight": torch.zeros(5, 9)}
    state_dict.graft(build(3), found, "a.pt")


MISTAKES = {
    a_head_on_other_features: r"another architecture \(4.weight: \(5, 9\) instead of \(3, 4\)",
    weights_of_another: r"a.pt holds weights for another architecture \(0.weight: \(4, 1, 5, 5\) instead of \(4, 1, 3, 3\)",
    weights_of_other_classes: r"a.safetensors is for 5 classes \(4.bias: \(5,\)\), but photos has 3",
    half_a_file: r"a.safetensors is truncated or not a weight file \(SafetensorError\)",
    code_in_a_file: r"a.pt is truncated or not a weight file \(UnpicklingError\)",
    a_grafted_other: r"another architecture \(0.weight: \(4, 1, 5, 5\) instead of \(4, 1, 3, 3\)",
}


@pytest.mark.parametrize("make", MISTAKES, ids=lambda make: make.__name__)
def test_bad_weights_are_named(tmp_path, make):
    with pytest.raises(BadInput, match=MISTAKES[make]):
        make(tmp_path)


@pytest.mark.parametrize(
    "wrapped", [lambda found: found, lambda found: {"state_dict": {f"module.{key}": value for key, value in found.items()}}]
)
def test_weights_are_read_as_trainers_save_them(tmp_path, wrapped):
    found = build(3).state_dict()
    torch.save(wrapped(found), tmp_path / "a.pt")
    assert all(torch.equal(found[name], tensor) for name, tensor in state_dict.read_weights(tmp_path / "a.pt").items())


def test_imagenet_weights_that_cannot_be_fetched_say_where_to_put_them(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(
        BadInput, match=r"no ImageNet weights of vgg16: put torchvision's vgg16-397923af.pth into .*/weights; its down"
    ):
        published.weights_file("vgg16")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16-397923af.pth").touch()
    assert published.weights_file("vgg16") == tmp_path / "weights" / "vgg16-397923af.pth"


class Unpickled:
    """Leaves a mark if it is ever loaded."""

    def __reduce__(self):
        return open, ("loaded", "w")


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, inputs):
        return self.layer(inputs)


def scripted(file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it
        torch.jit.save(torch.jit.script(Whole()), file)


MORE_THAN_WEIGHTS = {
    "a model": (lambda file: torch.save(Whole(), file), r"holds a whole pickled object \(.*Whole\), which is never loaded"),
    "a model as it was saved once": (
        lambda file: torch.save(Whole(), file, _use_new_zipfile_serialization=False),
        r"holds a whole pickled object \(.*Whole\), which is never loaded",
    ),
    "a model of torch's layers": (
        lambda file: torch.save(nn.Sequential(nn.Linear(2, 2)), file),
        r"holds a whole pickled object \(torch\.nn\.modules\.\w+\.\w+\)",
    ),
    "a checkpoint with a model in it": (
        lambda file: torch.save({"epoch": 3, "model": Whole()}, file),
        r"holds a whole pickled object \(.*Whole\)",
    ),
    "options beside weights": (
        lambda file: torch.save({"state_dict": {}, "args": argparse.Namespace(rate=1)}, file),
        r"holds a whole pickled object \(argparse.Namespace\)",
    ),
    "a plain pickle": (
        lambda file: file.write_bytes(pickle.dumps(Unpickled())),
        r"holds a whole pickled object \(_?io\.open\)",
    ),
    "a program": (scripted, "is a TorchScript program, which is never run"),
}


@pytest.mark.parametrize("kind", MORE_THAN_WEIGHTS)
def test_what_is_more_than_weights_is_named_and_never_loaded(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    make, message = MORE_THAN_WEIGHTS[kind]
    make(tmp_path / "mine.pt")
    with pytest.raises(BadInput, match=message) as error:
        state_dict.read_weights(tmp_path / "mine.pt")
    assert "torch.save(model.state_dict(), FILE)" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]


def test_a_tensor_that_claims_terabytes_is_not_believed(tmp_path):
    torch.save({"weight": torch.zeros(1, dtype=torch.float16).expand(2**40)}, tmp_path / "mine.pt")
    with pytest.raises(BadInput, match=r"weight is no plain tensor of its own numbers, \(1099511627776,\) in"):
        state_dict.read_weights(tmp_path / "mine.pt")


def test_damaged_files_of_weights_stay_damaged(tmp_path):
    torch.save({"weight": torch.zeros(100)}, tmp_path / "mine.pt")
    whole = (tmp_path / "mine.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no weights", whole[50:]):
        (tmp_path / "mine.pt").write_bytes(content)
        with pytest.raises(BadInput, match="is truncated or not a weight file"):
            state_dict.read_weights(tmp_path / "mine.pt")
