"""Fills: which other examples they are taken from, and what is refused before anything is measured, by the gate's name."""

import dataclasses

import pytest
import torch
from fills import OTHERS, filled_case
from hard_networks import case_of, traced_with_gates
from networks import Twice
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset
from toys import randomise, toy_case

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import EXAMPLES, Fill
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.fill_choice import split_beside, with_fill
from pruning_oracle.bench.network import fills, memory
from pruning_oracle.bench.network.fills import prepared
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.setting import fill_facts

SITE = Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))


@pytest.mark.parametrize(
    "choice", [{}, {"examples": 8}, {"rows": (0, 5, 9, 23)}, {"seed": 4}, {"fresh": 3}, {"fresh": 10**7}], ids=str
)
def test_examples_of_a_fill_are_none_of_those_that_are_measured_or_scored(choice):
    case, choice = toy_case("plain"), ExampleChoice(**choice)
    ready = with_fill(case, "mean", choice)
    shared, fresh = split_beside(ready, choice)
    rows = set(ready.fill.rows)
    assert len(rows) == (24 - len(shared)) // 2
    assert not rows & {*shared, *fresh}
    assert shared == choice.split(case)[0]
    assert set(fresh) <= set(choice.split(case)[1])
    assert len(fresh) >= 3
    other = with_fill(case, "mean", dataclasses.replace(choice, fresh=4))
    assert other.fill.rows == ready.fill.rows, "an oracle and criteria have the same fill, however many are fresh"
    assert split_beside(case, choice) == choice.split(case)


def test_there_are_256_of_them_where_there_are_enough():
    case = toy_case("clips")
    large = dataclasses.replace(case, train=ConcatDataset([case.train] * 30))
    assert len(with_fill(large, "mean", ExampleChoice()).fill.rows) == EXAMPLES == 256


def test_a_partner_depends_on_the_example_and_the_seed_alone():
    fill = Fill("resample", range(100, 150), 3)
    partners = [fill.partner(row) for row in range(60)]
    assert partners[::-1] == [fill.partner(row) for row in reversed(range(60))]
    assert set(partners) <= set(range(100, 150))
    assert len(set(partners)) > 25
    assert partners != [dataclasses.replace(fill, seed=4).partner(row) for row in range(60)]
    case = with_fill(toy_case("plain"), "resample", ExampleChoice())
    whole = next(case.batches(case.train, range(6), 6))
    parts = list(case.batches(case.train, range(6), 4))
    assert torch.equal(whole.partners, torch.cat([part.partners for part in parts]))
    assert torch.equal(whole.partners, torch.stack([case.train[case.fill.partner(row)][0] for row in range(6)]).double())
    other = ConcatDataset([case.train])
    assert next(case.batches(other, range(3), 3)).partners is None, "test examples need none"


def test_what_a_file_says_of_a_fill():
    case = toy_case("plain")
    assert fill_facts(case) == {"name": "zero"}
    mean, other, sample = (
        fill_facts(with_fill(case, name, ExampleChoice(seed=seed)))
        for name, seed in (("mean", 0), ("mean", 1), ("resample", 0))
    )
    assert (mean["name"], mean["examples"]) == ("mean", 6)
    assert mean["rows"] != other["rows"]
    assert mean["data"] != other["data"]
    assert sample["rows"] == mean["rows"]


def test_samples_take_memory_of_their_own():
    case = toy_case("plain")
    plain, mean, sample = (memory.activations(with_fill(case, name, ExampleChoice())) for name in ("zero", *OTHERS))
    assert (mean, sample) == (plain, 2 * plain)


def test_a_fill_that_does_not_exist():
    with pytest.raises(BadInput, match="unknown --fill 'median': choose from mean, resample, zero"):
        with_fill(toy_case("plain"), "median", ExampleChoice())


@pytest.mark.parametrize("fill", OTHERS)
def test_too_few_examples(fill):
    with pytest.raises(BadInput, match=f"--fill {fill}: unnamed has 5 training examples beside the 19 that are measured"):
        with_fill(toy_case("plain"), fill, ExampleChoice(examples=19))
    assert len(with_fill(toy_case("plain"), fill, ExampleChoice(examples=18)).fill.rows) == 3


def roomy(case):
    return dataclasses.replace(case, examples=4, train=ConcatDataset([case.train, case.train]))


def test_samples_of_a_gate_that_is_called_twice():
    case = roomy(traced_with_gates(randomise(Twice()), SITE))
    with pytest.raises(
        BadInput, match="gate 'gate' of site 'conv': it is called 2 times in a pass, and samples are of one call"
    ):
        filled_case(case, "resample")
    assert filled_case(case, "mean").fill.means


class Unused(nn.Module):
    """It has a gate that nothing passes, or nothing but whole numbers, or a map that is not finite, or has no positions."""

    def __init__(self, what):
        super().__init__()
        self.what, self.conv, self.gate, self.read = what, nn.Conv2d(3, 3, 3), Gate(3), nn.Linear(3, 3)

    def forward(self, x):
        maps = torch.relu(self.conv(x))
        if self.what == "whole":
            return self.read(self.gate((maps * 100).long()).double().mean((2, 3)))
        if self.what == "broken":
            return self.read(self.gate(maps / torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)).mean((2, 3)))
        if self.what == "none":
            self.gate(maps[:, :, :0])
        return self.read(maps.mean((2, 3)))


@pytest.mark.parametrize(
    ("what", "fill", "said"),
    [
        ("never", "mean", "no map passes it, so that there is no mean over positions"),
        ("never", "resample", "it is called 0 times in a pass, and samples are of one call"),
        ("none", "mean", "its maps have no positions, and so no mean over them"),
        ("whole", "mean", "its maps hold numbers of type torch.int64"),
        ("broken", "mean", "the mean of map 1 is nan"),
    ],
)
def test_what_is_unavailable_at_a_gate(what, fill, said):
    plain = case_of(randomise(nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))))
    model = randomise(Unused(what)).double()
    case = roomy(dataclasses.replace(plain, model=model, sites=(SITE,)))
    with pytest.raises(BadInput, match=f"--fill {fill}: unnamed, gate 'gate' of site 'conv': {said}"):
        filled_case(case, fill)


class Sizes(torch.utils.data.Dataset):
    """Images of one size but for the last one."""

    def __len__(self):
        return 24

    def __getitem__(self, row):
        return torch.full((3, 8, 8 if row == 23 else 6), float(row)), row % 3


def test_samples_of_examples_of_another_size():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    case = dataclasses.replace(case_of(randomise(model)), train=Sizes(), examples=8)
    ready = dataclasses.replace(case, fill=Fill("resample", [3, 5, 23], 0))
    gate = case.sites[0].gates[0]
    with pytest.raises(BadInput, match=rf"gate '{gate}' of site '0': training example 23 has an input of \(3, 8, 8\)"):
        prepared(ready, range(8), 4)
    assert prepared(dataclasses.replace(ready, fill=Fill("resample", [3, 5], 0)), range(8), 4)
    data = TensorDataset(torch.zeros(3, 3, 6, 6), torch.zeros(3))
    assert fills.fills_for(case, next(case.batches(data, [0], 1))) == {}
