"""A large network is studied on smaller inputs if it behaves on them as on its own, and the gates are the same."""

import copy

import pytest
import torch
from networks import network
from torch import nn

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.sites import find_sites
from pruning_oracle.bench.network.small_inputs import inputs_to_study
from pruning_oracle.bench.network.tracing import trace


def studied(model, *shape):
    inputs = torch.randn(2, *shape)
    return tuple(inputs_to_study(model, trace(copy.deepcopy(model), inputs), inputs).shape[1:])


def test_the_smallest_inputs_are_taken_on_which_no_axis_shrinks_to_one():
    assert studied(network("resnet18").float(), 3, 224, 224) == (3, 56, 56)  # 7 × 7 positions at the end become 2 × 2
    assert studied(network("resnet18").float(), 3, 64, 64) == (3, 64, 64)


def test_a_network_for_one_size_of_inputs_is_studied_on_that():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.read = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(16 * 64 * 64, 2)

        def forward(self, images):
            return self.read(torch.relu(self.conv(images)).flatten(1))

    assert studied(Fixed().eval(), 3, 64, 64) == (3, 64, 64)


def test_the_sites_are_those_of_the_whole_inputs(monkeypatch):
    torch.manual_seed(0)
    model, inputs = network("mobilenet_v3_small").float(), torch.randn(2, 3, 160, 160)
    _, small, _ = find_sites(model, inputs)
    monkeypatch.setattr("pruning_oracle.bench.network.small_inputs.ENOUGH", 1 << 60)
    _, whole, _ = find_sites(model, inputs)
    assert small == whole


def test_a_trace_that_is_another_function_on_the_whole_inputs_alone_is_refused():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.read = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 2)

        def forward(self, images):
            maps = torch.relu(self.conv(images))
            return self.read(maps.mean((2, 3)) * self.factor)

    original, other = Sized().eval(), Sized().eval()
    other.load_state_dict(original.state_dict())
    original.factor, other.factor = 1.0, 2.0
    with pytest.raises(BadInput, match="traces Sized as another function"):
        inputs_to_study(original, trace(other, torch.randn(2, 3, 8, 8)), torch.randn(2, 3, 128, 128))
