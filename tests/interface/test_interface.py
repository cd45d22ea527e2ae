"""The Python interface: the pipeline as functions that give what the stages give, on one's own network."""

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from commands import command, surroundings
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import pruning_oracle as po
from pruning_oracle.bench import runs
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.interface import figures


def network(seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4, 3)]
    return nn.Sequential(*layers).eval()


def tensors(count=40):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 1, 6, 6, generator=generator), torch.arange(count) % 3


@pytest.fixture(scope="module")
def case():
    return po.case(network(), tensors(), tensors(12), examples=12, name="mine")


def changed_by_hand(model, data, rows):
    """The literal definition: the loss without each map of the first convolution, its weights and bias set to 0."""
    inputs, labels = (part[rows] for part in data)
    with torch.no_grad():
        kept = nn.functional.cross_entropy(model(inputs), labels, reduction="none")
        found = []
        for index in range(4):
            less = network()
            less.load_state_dict(model.state_dict())
            less[0].weight[index] = 0
            less[0].bias[index] = 0
            found.append(nn.functional.cross_entropy(less(inputs), labels, reduction="none") - kept)
    return torch.stack(found, 1).numpy()


def test_what_is_measured_is_the_change_in_loss_when_weights_are_set_to_zero(case):
    truth = po.measure(case, device="cpu", precision="float64")
    by_hand = changed_by_hand(network(), tensors(), truth.rows)
    np.testing.assert_allclose(truth.saliency("0"), by_hand, atol=1e-6)
    frame = truth.frame()
    assert list(frame.columns) == ["site", "map", "oracle_loss", "oracle_abs", "oracle_loss_low", "oracle_loss_high"]
    np.testing.assert_allclose(frame.oracle_loss[:4], by_hand.mean(0), atol=1e-6)
    assert (frame.oracle_loss_low <= frame.oracle_loss).all()
    assert (frame.oracle_loss <= frame.oracle_loss_high).all()
    assert truth.sites == {"0": 4, "2": 5}


def test_data_may_be_tensors_arrays_a_data_set_or_a_loaders(case):
    inputs, labels = tensors()
    data = TensorDataset(inputs, labels)
    forms = [(inputs.numpy(), labels.numpy()), data, DataLoader(data, batch_size=7, shuffle=True)]
    expected = po.measure(case, examples=5, device="cpu").saliency("2")
    for form in forms:
        own = po.case(network(), form, tensors(12), examples=12)
        np.testing.assert_array_equal(po.measure(own, examples=5, device="cpu").saliency("2"), expected)


def test_half_of_few_examples_are_the_oracles_own():
    own = po.case(network(), tensors(), tensors(12))
    assert (own.examples, own.name, own.why) == (20, "Sequential", "512, or half of what there is")
    assert po.case(network(), tensors(), tensors(12), examples=7).why == "as was asked for"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("photos", "train is a str; allowed are a data set"),
        ([], "the training set holds 0 examples"),
        (iter([1]), "train is a list_iterator without a length and examples by index; allowed are"),
        ((torch.zeros(3, 1), torch.zeros(2)), r"inputs \(3, 1\) and labels \(2,\); allowed is one label each"),
        (DataLoader([1], collate_fn=list), "train is a DataLoader with a collate_fn of its own"),
    ],
)
def test_other_data_are_refused_by_name(data, message):
    with pytest.raises(po.BadInput, match=message):
        po.case(network(), data, tensors(12))


def test_ones_own_criterion_is_graded_and_can_be_defined_again(case):
    def define(sign):
        text = "@po.criterion(needs={'gate_grad'}, reduce=po.mean, unit='nats', source='here')\n"
        text += f"def my_slope(site):\n    '''My own.'''\n    return {sign}site.gate_grad\n"
        names = {"po": po, "__name__": "__main__"}
        exec(compile(text, "<cell>", "exec"), names)  # noqa: S102 (as a notebook's cell is run)
        return names["my_slope"]

    down, up = (po.score(case, define(sign), device="cpu") for sign in ("-", ""))
    assert down.criteria == ["my_slope"]
    np.testing.assert_array_equal(down.saliency("my_slope", "0"), -up.saliency("my_slope", "0"))
    assert down.file.facts["sources"]["criteria"] != up.file.facts["sources"]["criteria"]
    with pytest.raises(po.BadInput, match="criterion 'taylor' already exists"):

        @po.criterion(needs={"gate_grad"}, reduce=po.mean, unit="nats", source="x")
        def taylor(site):
            """The suite has one of this name."""

    from pruning_oracle.criteria.criterion import CRITERIA  # noqa: PLC0415

    del CRITERIA["my_slope"]


def test_agreement_has_the_rows_of_the_command_line(tmp_path):
    shared = {"examples": 12, "sample_seed": 3}
    case = po.load("vgg-digits")
    truth = po.measure(case, **shared, device="cpu", path=tmp_path / "runs/vgg-digits/0/oracle.safetensors")
    guesses = po.score(case, ["taylor", "weight_l2"], **shared, device="cpu")
    guesses.save(tmp_path / "runs/vgg-digits/0/criteria.safetensors")
    with pytest.warns(po.SmallSampleWarning, match=r"measured on 12 examples: .* noise ceiling of 0\.\d\d"):
        table = po.agreement(truth, guesses)
    done = command("grade", "vgg-digits", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = pd.read_csv(tmp_path / "runs/vgg-digits/0/agreement.csv")
    pd.testing.assert_frame_equal(table.frame(), theirs, check_dtype=False)
    table.save(tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == (tmp_path / "runs/vgg-digits/0/agreement.csv").read_text()
    assert table.summary().criterion.iloc[-1] == "noise ceiling"
    assert "weight_l2" in repr(table)


def test_an_oracle_of_other_examples_is_not_agreed_with(case):
    with pytest.raises(po.BadInput, match=r"of different examples \(12 and 11\): give measure and score the same"):
        po.agreement(po.measure(case, device="cpu"), po.score(case, "taylor", examples=11, device="cpu"))


def test_work_that_is_done_is_read_and_not_done_again(case, tmp_path):
    path = tmp_path / "truth.safetensors"
    first = po.measure(case, device="cpu", path=path)
    when = path.stat().st_mtime_ns
    assert po.measure(case, device="cpu", path=path).file.checksum == first.file.checksum
    assert path.stat().st_mtime_ns == when
    other = po.case(network(1), tensors(), tensors(12), examples=12, name="mine")
    assert po.measure(other, device="cpu", path=path).file.checksum != first.file.checksum
    gelu = network()
    gelu[1] = nn.GELU().eval()  # the same weights, another network
    again = po.measure(po.case(gelu, tensors(), tensors(12), examples=12, name="mine"), device="cpu", path=path)
    assert again.file.facts["weights"] == first.file.facts["weights"]
    assert not np.array_equal(again.saliency("2"), first.saliency("2"))


def test_what_was_saved_is_read(case, tmp_path):
    truth, guesses = po.measure(case, device="cpu"), po.score(case, "taylor", device="cpu")
    for one in (truth, guesses):
        one.save(tmp_path / "one.safetensors") if one is truth else one.save(tmp_path / "other.safetensors")
    assert isinstance(po.read(tmp_path / "one.safetensors"), po.Truth)
    np.testing.assert_array_equal(
        po.read(tmp_path / "other.safetensors").saliency("taylor", "0"), guesses.saliency("taylor", "0")
    )
    (tmp_path / "theirs.safetensors").write_bytes(b"something else")
    with pytest.raises(po.BadInput, match="is no oracle file of this suite: move it away"):
        truth.save(tmp_path / "theirs.safetensors")
    with pytest.raises(po.BadInput, match=r"theirs\.safetensors is truncated or not a safetensors file"):
        po.read(tmp_path / "theirs.safetensors")
    with pytest.raises(po.BadInput, match="no run file at"):
        po.read(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def pruned(case, tmp_path_factory):
    path = tmp_path_factory.mktemp("pruned") / "small.network"
    return po.prune(case, target="maps=0.6", remove=2, updates=1, final_updates=1, device="cpu", path=path), path


def test_the_pruned_network_is_smaller_and_the_case_is_as_it_was(case, pruned):
    small, path = pruned
    before = {name: tensor.clone() for name, tensor in case.model.state_dict().items()}
    left = sum(map(len, small.maps.values()))
    assert left == 6  # at most 0.6 of 9 would be 5.4: a share of maps is rounded up
    assert small.frame().maps.tolist()[0] == 9
    assert small.frame().maps.tolist()[-1] == left
    sizes = [tuple(module.weight.shape) for module in small.model.modules() if isinstance(module, nn.Conv2d)]
    assert sum(size[0] for size in sizes) == left
    assert not [module for module in small.model.modules() if isinstance(module, Gate)]
    inputs = tensors(3)[0]
    torch.testing.assert_close(small.model(inputs), small.case.model(inputs), rtol=0, atol=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in case.model.state_dict().items())
    again = po.read(path, case)
    torch.testing.assert_close(again.model(inputs), small.model(inputs), rtol=0, atol=0)
    with pytest.raises(po.BadInput, match=r"is of case 'mine', which is not one of the suite's: give it, read\(path, case\)"):
        po.read(path)


def test_the_pruned_network_is_exported(pruned, tmp_path):
    session = pytest.importorskip("onnxruntime", reason="exporting needs onnxruntime")
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    path = pruned[0].export(tmp_path / "small.onnx")
    inputs = tensors(3)[0]
    one = session.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = one.run(None, {one.get_inputs()[0].name: inputs.numpy()})
    torch.testing.assert_close(torch.from_numpy(got), pruned[0].model(inputs).detach(), rtol=1e-4, atol=1e-4)


def test_a_run_that_stops_early_warns_and_keeps_the_last_good_network(case, tmp_path):
    how = {"remove": 2, "updates": 1, "final_updates": 0, "rate": 10.0, "device": "cpu"}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        small = po.prune(case, target="accuracy=-0.01", **how)
    if small.file.facts["why"]:
        assert [one.category for one in said] == [po.StoppedEarlyWarning]
    assert isinstance(small.model(tensors(2)[0]), torch.Tensor)


def test_it_prunes_by_an_oracle_and_by_a_criterion_in_a_file(case, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import pruning_oracle as po\n\n\n"
        "@po.criterion(needs={'gate_grad'}, reduce=po.mean_abs, unit='nats', source='mine')\n"
        "def steep(site):\n    return site.gate_grad\n"
    )
    how = {"target": "maps=0.8", "remove": 2, "updates": 0, "final_updates": 0, "examples": 12, "device": "cpu"}
    by_oracle, by_file = (po.prune(case, criterion, **how) for criterion in ("oracle_abs", tmp_path / "mine.py"))
    assert [one.file.facts["settings"]["criterion"] for one in (by_oracle, by_file)] == ["oracle_abs", "steep"]
    from pruning_oracle.criteria.criterion import CRITERIA  # noqa: PLC0415

    del CRITERIA["steep"]


@pytest.mark.parametrize(("accuracy", "label"), [(0.5, "test accuracy"), (float("nan"), "test loss")])
def test_steps_are_judged_by_loss_where_an_accuracy_has_no_meaning(accuracy, label):
    rows = pd.DataFrame({"maps": [9, 5], "flops": [90, 40], "test_loss": [0.1, 0.2], "test_accuracy": [accuracy] * 2})
    assert figures.steps(rows, "a caption").axes[0].get_ylabel() == label


def test_pictures_and_notebooks_show_what_is_to_be_known(case, pruned):
    truth, guesses = po.measure(case, device="cpu"), po.score(case, ["taylor", "weight_l2"], device="cpu")
    with pytest.warns(po.SmallSampleWarning):
        table = po.agreement(truth, guesses)
    for one in (truth, guesses, table, pruned[0]):
        shown = one._repr_html_()
        assert "mine seed 0, float32 on" in shown
        assert "torch" in shown
        assert "<table" in shown
        figure = one.plot()
        figure.canvas.draw()
        assert figure.axes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda case: po.measure(case, examples=2), "--examples is 2; allowed are whole numbers from 3"),
        (lambda case: po.measure(case, budget=2), "--budget is '2'; allowed is a share of the pairs"),
        (lambda case: po.measure(case, memory=1), "--memory is 1; allowed are whole numbers from 1024"),
        (lambda case: po.measure(case, precision="float8"), "unknown precision 'float8'"),
        (lambda case: po.measure(case, batch=0), "--batch is 0; allowed"),
        (lambda case: po.measure(case, examples=5, rows=[1, 2, 3]), "give either --examples or --rows"),
        (lambda case: po.measure(case, rows=[1, 1, 2]), "a row is named twice"),
        (lambda case: po.score(case, "tailor"), "unknown criterion 'tailor'"),
        (lambda case: po.score(case, "norm_gamma"), "criterion 'norm_gamma' is unavailable here"),
        (lambda case: po.prune(case, target="maps=2"), "--target maps=2: allowed is a share between 0 and 1"),
        (lambda case: po.prune(case, remove=0), "--remove is 0; allowed"),
        (lambda case: po.prune(case, path="small.pt"), "path is 'small.pt'; the file of a pruned network ends in .network"),
        (lambda case: po.measure(case, device="cpu").saliency("1"), "unknown site '1': choose from 0, 2"),
        (lambda case: po.load("nowhere"), "unknown case 'nowhere'"),
        (lambda case: po.load("vgg-digits", weights="a.pt"), "--weights is for torchvision:NAME and timm:NAME"),
        (lambda case: po.case(network(), tensors(), tensors(12), name="a/b"), "name is 'a/b': allowed are a letter or digit"),
        (lambda case: po.case(network().train(), tensors(), tensors(12)), "eval"),
    ],
)
def test_mistakes_are_one_sentence(case, call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(po.BadInput, match=message):
        call(case)
    assert not list(tmp_path.iterdir())


def test_names_are_imported_when_they_are_used_and_all_lie_where_they_are_said_to():
    code = """
import sys, time
start = time.perf_counter()
import pruning_oracle as po
loaded = sorted(name for name in ("torch", "numpy", "pandas", "typer") if name in sys.modules)
assert not loaded, loaded
for name in po.__all__:
    assert getattr(po, name) is not None
assert sorted(po.__all__) == sorted(po._FOUND_IN)
assert set(po.__all__) <= set(dir(po))
"""
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="module 'pruning_oracle' has no attribute 'mesure'"):
        po.mesure  # noqa: B018


def test_type_checkers_see_the_same_names():
    import ast  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    tree = ast.parse(Path(po.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
    typed = {alias.name: node.module.removeprefix("pruning_oracle.") for node in guarded.body for alias in node.names}
    assert typed == po._FOUND_IN


def test_a_result_without_a_path_leaves_nothing_behind(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    po.measure(case, device="cpu")
    po.score(case, "taylor", device="cpu")
    assert not list(tmp_path.iterdir())
    assert runs.RUNS.name == "runs"


@pytest.fixture(scope="module")
def unlearnt():
    whole = po.load("resnet-digits")
    how = {"target": "maps=0.8", "remove": 40, "updates": 0, "final_updates": 0, "examples": 32, "tested": 60}
    return po.prune(whole, device="cpu", **how)


def test_a_repaired_network_says_the_loss_before_and_after_and_is_kept(unlearnt, tmp_path):
    found = unlearnt.repaired("both", examples=40)
    table = found.repairs
    assert list(table.repair) == ["bias", "batchnorm"]
    assert table.loss_before.iloc[0] == pytest.approx(unlearnt.frame().test_loss.iloc[-1], rel=1e-4)
    assert table.loss_after.iloc[0] == table.loss_before.iloc[1]
    assert table.loss_after.iloc[1] < table.loss_before.iloc[0]
    assert "batchnorm on 40 other examples: test loss" in repr(found)
    again = po.read(found.save(tmp_path / "a.network"), unlearnt.whole)
    inputs = torch.stack([unlearnt.whole.test[row][0] for row in range(60)])
    labels = torch.tensor([int(unlearnt.whole.test[row][1]) for row in range(60)])
    loss = torch.nn.functional.cross_entropy(again.model(inputs), labels).item()
    assert loss == pytest.approx(table.loss_after.iloc[1], rel=1e-4)
    assert unlearnt.repairs.empty
    alone = unlearnt.repaired("batchnorm", examples=40).model
    assert all(getattr(layer, "bias", None) is None for layer in alone.modules() if isinstance(layer, torch.nn.Conv2d))


def test_repairs_that_make_no_sense_are_refused(unlearnt, pruned):
    for repair, said in (
        ("none", "unknown repair 'none': choose from batchnorm, bias, both"),
        ("mend", "unknown repair 'mend'"),
    ):
        with pytest.raises(po.BadInput, match=said):
            unlearnt.repaired(repair)
    with pytest.raises(po.BadInput, match="repair 'bias' comes first, but resnet-digits was repaired before: batchnorm"):
        unlearnt.repaired("batchnorm", examples=10).repaired("bias")
    with pytest.raises(po.BadInput, match=r"learnt nothing since maps went, but .* updates"):
        pruned[0].repaired("bias", examples=3)
    others = dataclasses.replace(unlearnt, whole=po.load("resnet-digits", seed=1))
    with pytest.raises(po.BadInput, match="the case given has other weights"):
        others.repaired("bias", examples=10)
    with pytest.raises(po.BadInput, match="examples is 2; allowed"):
        unlearnt.repaired("bias", examples=2)
