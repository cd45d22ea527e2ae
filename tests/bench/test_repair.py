"""Repairs by hand: means carried into biases, exactly where maps are constant, and batch norms estimated again."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from toys import pixel_case, randomise, toy_case

from pruning_oracle.bench.cutting.surgery import cut, uncut
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.repair import passes
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for, repairs_of
from pruning_oracle.bench.repair.batch_norms import batch_norms, estimated_again
from pruning_oracle.bench.repair.bias import carried
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.repair.readers import uncarried, with_biases


class Reader(nn.Module):
    """A stem of four maps, of which 1 and 3 are the same everywhere, what lies `between`, a reader, and a linear head."""

    def __init__(self, between, read, head):
        super().__init__()
        self.stem, self.between, self.read, self.head = nn.Conv2d(1, 4, 3, padding=1), between, read, head
        self.first = lambda given: given

    def forward(self, images):
        made = self.read(self.between(torch.relu(self.stem(images))))
        return self.head(torch.relu(made if made.ndim < 4 else made.mean((2, 3))))


class OverTime(nn.Module):
    """A recurrent layer over one step of time."""

    def __init__(self, width, **how):
        super().__init__()
        self.recurrent = nn.GRU(width, 5, batch_first=True, **how)

    def forward(self, given):
        return self.recurrent(given[:, None])[0][:, -1]


class Ignoring(nn.Conv2d):
    """A convolution that has a bias and does not use it."""

    def forward(self, given):
        return F.conv2d(given, self.weight)


class AsFunction(nn.Module):
    """A convolution that is called as a function."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4, 3, 3))

    def forward(self, given):
        return F.conv2d(given, self.weight)


def case_of(between, read, head=None):
    torch.manual_seed(0)
    model = randomise(Reader(between, read, head or nn.Linear(5, 3)))
    with torch.no_grad():
        model.stem.weight[[1, 3]] = 0
        model.stem.bias[[1, 3]] = torch.tensor([0.7, 1.9])
    data = TensorDataset(torch.randn(20, 1, 8, 8), torch.randint(0, 3, (20,)))
    return assemble(model, data, data, examples=8).to("cpu", "float64")


def outputs(case):
    with torch.no_grad():
        return case.model(next(case.batches(case.train, range(6), 6)).inputs)


READERS = {
    "convolution": (nn.Identity(), lambda: nn.Conv2d(4, 5, 3)),
    "no bias yet": (nn.Identity(), lambda: nn.Conv2d(4, 5, 3, bias=False)),
    "strided and dilated": (nn.Identity(), lambda: nn.Conv2d(4, 5, 3, stride=2, dilation=2)),
    "grouped": (nn.Identity(), lambda: nn.Conv2d(4, 6, 3, groups=2)),
    "transposed": (nn.Identity(), lambda: nn.ConvTranspose2d(4, 5, 1)),
    "padded by what is there": (nn.Identity(), lambda: nn.Conv2d(4, 5, 3, padding=1, padding_mode="reflect")),
    "behind pooling": (nn.MaxPool2d(2), lambda: nn.Conv2d(4, 5, 3)),
    "linear behind a mean": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), lambda: nn.Linear(4, 5)),
    "linear behind flattening": (nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), lambda: nn.Linear(16, 5, bias=False)),
    "recurrent": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), lambda: OverTime(4, bidirectional=True)),
}


@pytest.mark.parametrize("name", READERS)
def test_the_mean_of_a_constant_map_stands_in_for_it_exactly(name):
    between, read = READERS[name]
    case = ready_for(case_of(between, read(), nn.Linear({"grouped": 6, "recurrent": 10}.get(name, 5), 3)), "bias")
    gone = {"stem": [1, 3]}
    whole, (_, plain), (_, repaired) = outputs(case), *after_removal(uncut(case), gone, "bias", range(12, 20))
    assert plain.case.site("stem").maps == repaired.case.site("stem").maps == 2
    assert (outputs(plain.case) - whole).abs().max() > 1e-2
    torch.testing.assert_close(outputs(repaired.case), whole, rtol=0, atol=1e-12)
    assert max(carried(case, gone, range(12, 20)).uneven.values()) < 1e-12


def test_means_are_of_other_examples_and_by_hand():
    """Map 1 of the pixels 1, 2, −3, 4 is 2, 4, 0, 8, and the linear layer reads it with −1; it has no bias of its own."""
    case = ready_for(pixel_case().to("cpu", "float64"), "bias")
    assert case.model.get_submodule("read").bias.tolist() == [0.0]
    found = carried(case, {"conv": [1]}, [1, 3, 5])
    assert found.case.model.get_submodule("read").bias.tolist() == pytest.approx([-(4 + 8 + 4) / 3])
    assert case.model.get_submodule("read").bias.tolist() == [0.0]
    both = carried(case, {"conv": [0, 2]}, [0, 2])
    assert both.case.model.get_submodule("read").bias.tolist() == pytest.approx([10 * 0.5 + 5 * 1.5])


def test_means_do_not_depend_on_batches(monkeypatch):
    case = ready_for(toy_case("residual"), "bias")
    gone, rows = {"stem": [0, 2], "mix": [0]}, range(13, 24)
    together = carried(case, gone, rows).case.model.state_dict()
    monkeypatch.setattr(passes, "batch_size", lambda case, memory: 4)
    apart = carried(case, gone, rows).case.model.state_dict()
    for name, tensor in together.items():
        torch.testing.assert_close(apart[name], tensor, rtol=0, atol=1e-12)
    for name in ("branch.bias", "classifier.bias"):
        assert not torch.equal(together[name], case.model.state_dict()[name])


def test_behind_zeros_of_padding_the_mean_answer_is_carried():
    """A sum over 3 × 3 positions of a map of twos has 4 terms at a corner, 6 at an edge and 9 in the middle of 3 × 3."""
    case = case_of(nn.AdaptiveAvgPool2d(3), nn.Conv2d(4, 5, 3, padding=1))
    with torch.no_grad():
        case.model.get_submodule("stem").bias[1] = 2.0
        case.model.get_submodule("read").weight[:] = 1.0
        case.model.get_submodule("read").bias[:] = 0.0
    found = carried(case, {"stem": [1]}, range(12, 20))
    assert found.case.model.get_submodule("read").bias.tolist() == pytest.approx([2 * 49 / 9] * 5)
    assert found.uneven == {"read": pytest.approx(2 * (9 - 49 / 9))}


def test_biases_that_are_given_change_nothing_but_the_tensors():
    case = toy_case("residual")
    found = with_biases(case)
    assert torch.equal(outputs(found), outputs(case))
    assert found.model.get_submodule("branch").bias.shape == (4,)
    assert case.model.get_submodule("branch").bias is None
    assert with_biases(found) is found


def test_maps_that_are_not_carried_are_told_with_the_reason():
    said = {
        "the operation conv2d": case_of(nn.Identity(), AsFunction()),
        "read does not simply add its bias": case_of(nn.Identity(), Ignoring(4, 5, 3)),
        "read.recurrent is recurrent and has no biases": case_of(
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), OverTime(4, bias=False)
        ),
    }
    for text, case in said.items():
        (left,) = [left for left in uncarried(case, uncut(case).wiring) if left.convolution == "stem"]
        assert left.maps == 4
        assert left.reason.startswith(text)
        assert not carried(case, {"stem": [1]}, range(12, 20)).uneven
    case = with_biases(toy_case("residual"))
    assert uncarried(case, uncut(case).wiring) == ()
    lacking = toy_case("residual")
    assert {left.reason for left in uncarried(lacking, uncut(lacking).wiring)} == {"branch has no bias"}


def test_batch_norms_remember_what_the_examples_show_and_nothing_else_changes():
    case = toy_case("plain")
    before = copy.deepcopy(case.model.state_dict())
    rows = [1, 4, 5, 7, 9, 11, 12, 20]
    found = estimated_again(case, rows).model
    with torch.no_grad():
        made = case.model.get_submodule("features.0")(next(case.batches(case.train, rows, 8)).inputs)
    norm = found.get_submodule("features.1")
    torch.testing.assert_close(norm.running_mean, made.mean((0, 2, 3)), rtol=0, atol=1e-12)
    torch.testing.assert_close(norm.running_var, made.var((0, 2, 3)), rtol=0, atol=1e-12)
    assert found.state_dict().keys() == before.keys()
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, before[name]) != ("running" in name), name
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())
    assert not any(layer.training for layer in batch_norms(found).values())
    assert norm.momentum == 0.1
    assert not found.get_submodule("features.1")._forward_pre_hooks


def test_batch_norms_are_estimated_to_the_same_bits_and_over_all_batches(monkeypatch):
    """A batch norm that gets the same from any batch remembers the same: its statistics are of all examples, not of batches."""
    case = toy_case("plain")
    rows = list(range(11))
    together = estimated_again(case, rows).model.state_dict()
    again = estimated_again(case, rows).model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in together.items())
    monkeypatch.setattr(passes, "batch_size", lambda case, memory: 4)
    sizes = [batch.examples for batch in passes.batches_for(case, rows)]
    assert sizes == [4, 4, 3]
    apart = estimated_again(case, rows).model.state_dict()
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(apart[f"features.1.{name}"], together[f"features.1.{name}"], rtol=0, atol=1e-12)


def test_later_batch_norms_see_what_the_repaired_ones_give():
    """The case after the repair, in eval mode, hands every batch norm inputs of the very mean that it remembers."""
    case = toy_case("residual")
    rows = list(range(10))
    found = estimated_again(case, rows)
    seen = {}
    for name, layer in batch_norms(found.model).items():
        layer.register_forward_pre_hook(lambda module, args, name=name: seen.update({name: args[0]}))
    with torch.no_grad():
        found.model(next(found.batches(found.train, rows, 10)).inputs)
    assert len(seen) == 2
    for name, given in seen.items():
        remembered = found.model.get_submodule(name).running_mean
        torch.testing.assert_close(remembered, given.mean((0, 2, 3)), rtol=1e-3, atol=1e-2)


def test_dropout_is_off_while_batch_norms_are_estimated():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout(0.5), nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5), nn.Flatten())
    data = TensorDataset(torch.randn(20, 1, 3, 3), torch.randint(0, 5, (20,)))
    case = assemble(model.eval(), data, data, examples=8)
    first, second = (estimated_again(case, range(8)).model.state_dict() for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_both_is_bias_first():
    case = ready_for(toy_case("residual"), "both")
    pruned, gone, rows = uncut(case), {"stem": [1], "mix": [0, 3]}, range(12, 20)
    steps = list(after_removal(pruned, gone, "both", rows))
    assert [name for name, _ in steps] == ["removed", "bias", "batchnorm"]
    biased = cut(dataclasses.replace(pruned, case=carried(case, gone, rows).case), gone)
    expected = estimated_again(biased.case, rows)
    assert torch.equal(outputs(steps[-1][1].case), outputs(expected))
    assert not torch.equal(outputs(steps[0][1].case), outputs(steps[1][1].case))


def test_a_network_without_the_layers_is_refused():
    bare = case_of(nn.Identity(), nn.Conv2d(4, 5, 3))
    for repair in ("batchnorm", "both"):
        with pytest.raises(BadInput, match=f"--repair {repair}: unnamed has no batch norm with running statistics"):
            ready_for(bare, repair)
    functions = case_of(nn.Identity(), AsFunction(), nn.Identity())
    with pytest.raises(BadInput, match="has no layer that reads maps and adds a bias"):
        ready_for(functions, "bias")
    with pytest.raises(BadInput, match="unknown --repair 'biases'"):
        ready_for(bare, "biases")
    assert repairs_of(bare) == ["none", "bias"]
    assert repairs_of(toy_case("residual")) == ["none", "bias", "batchnorm", "both"]


def test_the_examples_of_a_repair_rank_nothing():
    case = toy_case("plain", 24)
    rows = spare_examples(case, 24, 24)
    assert sorted([*rows, *case.split(24)[0]]) == list(range(48))
    assert set(spare_examples(case, 5, 40)).isdisjoint(case.split(40)[0])
    for count in (2, 25):
        with pytest.raises(BadInput, match=f"--repair-examples is {count}; unnamed has 48 training.*allowed are 3 to 24"):
            spare_examples(case, count, 24)
