"""joint_loss: joint losses as the command line measures them, in a table, saved and read again."""

import json

import numpy as np
import pytest
import torch
from commands import CASE, command
from torch import nn

import pruning_oracle as po
from pruning_oracle.bench import runs


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4, 3)]
    return nn.Sequential(*layers).eval()


DATA = torch.randn(40, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 3


@pytest.fixture(scope="module")
def case():
    return po.case(network(), DATA, DATA, examples=12, name="mine")


SETS = [{"0": [1], "2": [0, 3]}, {}, {"0": [1]}]


def test_what_is_measured_is_the_change_in_loss_when_weights_are_set_to_zero(case):
    found = po.joint_loss(case, SETS, device="cpu", precision="float64")
    inputs, labels = (part[found.rows] for part in DATA)
    less = network()
    with torch.no_grad():
        kept = nn.functional.cross_entropy(less(inputs), labels, reduction="none")
        for layer, maps in ((0, [1]), (2, [0, 3])):
            less[layer].weight[maps] = 0
            less[layer].bias[maps] = 0
        by_hand = nn.functional.cross_entropy(less(inputs), labels, reduction="none") - kept
    np.testing.assert_allclose(found.joint[:, 0], by_hand.numpy(), atol=1e-6)
    assert not found.joint[:, 1].any()
    frame = found.frame()
    assert list(frame.columns) == ["set", "maps", "sites", "joint_loss", "joint_loss_low", "joint_loss_high"]
    assert frame[["set", "maps", "sites"]].to_numpy().tolist() == [[0, 3, 2], [1, 0, 0], [2, 1, 1]]
    np.testing.assert_allclose(frame.joint_loss, found.joint.mean(0))
    wide = frame[frame.maps > 0]
    assert (wide.joint_loss_low < wide.joint_loss).all()
    assert (wide.joint_loss < wide.joint_loss_high).all()
    truth = po.measure(case, device="cpu", precision="float64")
    np.testing.assert_array_equal(found.joint[:, 2], truth.saliency("0")[:, 1])


def test_it_is_saved_read_and_shown(case, tmp_path):
    found = po.joint_loss(case, po.random_sets(case, 15, share=0.3, seed=2), device="cpu")
    again = po.read(found.save(tmp_path / "mine.safetensors"))
    assert isinstance(again, po.JointLosses)
    assert again.sets == found.sets == po.random_sets(case, 15, 0.3, 2)
    np.testing.assert_array_equal(again.joint, found.joint)
    assert "15 sets of 3 maps on 12 training examples" in repr(again)
    assert "mine seed 0, float32 on" in repr(again)
    assert "15 rows, the first 10 are shown" in again._repr_html_()


def test_after_a_repair_both_losses_are_told(case, tmp_path):
    plain = po.joint_loss(case, SETS, device="cpu")
    assert plain.repaired is None
    found = po.joint_loss(case, SETS, device="cpu", repair="bias", repair_examples=9, path=tmp_path / "s.safetensors")
    np.testing.assert_array_equal(found.joint, plain.joint)
    assert found.repair == "bias"
    assert not found.repaired[:, 1].any(), "nothing is carried for nothing"
    assert np.abs(found.repaired - found.joint)[:, 0].max() > 1e-4
    frame = found.frame()
    np.testing.assert_allclose(frame.repaired_loss, found.repaired.mean(0))
    assert (frame.repaired_loss_low <= frame.repaired_loss).all()
    assert (frame.repaired_loss <= frame.repaired_loss_high).all()
    back = (found.joint.mean(0) > found.repaired.mean(0)).sum()
    assert f"after the repair bias from 9 other examples, smaller in {back} of 3 sets" in repr(found)
    with pytest.raises(po.BadInput, match="--repair batchnorm: mine has no batch norm"):
        po.joint_loss(case, SETS, repair="batchnorm")
    arrays = {name: array for name, array in found.file.arrays.items() if name != "repaired"}
    runs.save(tmp_path / "d.safetensors", "sets", arrays, found.file.facts)
    with pytest.raises(po.BadInput, match="its array 'repaired' is missing"):
        po.read(tmp_path / "d.safetensors")


def test_a_damaged_file_is_refused(case, tmp_path):
    found = po.joint_loss(case, SETS, device="cpu")
    file = tmp_path / "mine.safetensors"
    runs.save(file, "sets", found.file.arrays | {"joint": found.file.arrays["joint"][:, :2]}, found.file.facts)
    with pytest.raises(po.BadInput, match=r"is damaged: its array 'joint' is float32 of \(12, 2\), not \(12, 3\)"):
        po.read(file)
    runs.save(file, "sets", found.file.arrays, found.file.facts | {"sets": [{"0": "1"}]})
    with pytest.raises(po.BadInput, match=r"\['sets'\]\[0\]\['0'\] is '1', which must be a list"):
        po.read(file)


def test_what_is_wrong_is_named_before_anything_is_measured(case, tmp_path):
    with pytest.raises(po.BadInput, match=r"sets\[0\], site '0': all 4 maps are named; a set must leave one at every site"):
        po.joint_loss(case, [{"0": range(4)}], path=tmp_path / "s.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_command_measures_what_the_function_does(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    (tmp_path / "sets.json").write_text('[{"0": [1]}, {"0": [0, 2]}, {"0": [2, 0]}]')
    words = [
        "sets",
        "mine.py",
        "--sets",
        "sets.json",
        "--random",
        "2",
        "--share",
        "0.4",
        "--device",
        "cpu",
        "--out",
        "s.safetensors",
    ]
    done = command(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 sets of 1 to 2 maps on 5 training examples; joint loss" in done.stdout
    found = po.read(tmp_path / "s.safetensors")
    assert [one.named for one in found.sets[:3]] == [{"0": [1]}, {"0": [0, 2]}, {"0": [0, 2]}]
    again = command(*words, "--json", folder=tmp_path)
    answer = json.loads(again.stdout)
    assert answer["up to date"]
    assert [row["removed"] for row in answer["joint losses"]] == [one.named for one in found.sets]
    assert [row["joint_loss"] for row in answer["joint losses"]] == found.frame().joint_loss.tolist()
    literal = command(*words, "--engine", "literal", folder=tmp_path)
    assert literal.returncode == 0
    np.testing.assert_allclose(po.read(tmp_path / "s.safetensors").joint, found.joint, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no sets are given: --sets names a file with them, --random says how many are drawn"),
        (["--sets", "none.json"], "--sets none.json: No such file or directory"),
        (["--sets", "mine.json", "--share", "0.2"], "--share and --draw-seed are of random sets: --random says how many"),
        (["--random", "0"], "--random is 0; allowed are whole numbers from 1 to 1000000"),
        (["--random", "2", "--share", "1.5"], "--share is 1.5; allowed are numbers above 0 up to 1"),
        (["--random", "2", "--share", "0.9"], "--share 0.9 is 3 of 3 maps; allowed are at most 2"),
        (["--random", "2", "--repair", "biases"], "unknown --repair 'biases': choose from"),
        (["--random", "2", "--repair-examples", "9"], "--repair-examples is of a repair: --repair says which"),
        (["--random", "2", "--repair", "batchnorm"], "--repair batchnorm: mine has no batch norm with running statistics"),
        (["--random", "2", "--repair", "bias"], "--repair-examples is 256; mine has 20 training examples, 5 of which are"),
        (["--random", "2", "--memory", "8MiB"], "--memory is 8MiB; mine: one example's joint loss takes at least"),
    ],
)
def test_mistakes_on_the_command_line_are_one_sentence(tmp_path, words, message):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    done = command("sets", "mine.py", *words, folder=tmp_path)
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr
    assert not (tmp_path / "runs").exists()
