"""The gate multiplies each map by a number per example, wherever clips are, and is open again whatever happens."""

import pytest
import torch
from torch import nn

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.gates import Gate, gated


def test_an_open_gate_is_the_identity():
    maps = torch.randn(2, 3, 4, 4)
    assert Gate(3)(maps) is maps


def test_each_example_has_its_own_numbers():
    gate = Gate(2)
    gate.value = torch.tensor([[1.0, 0.0], [0.5, 1.0]])
    found = gate(torch.ones(2, 2, 3, 3))
    assert found[:, :, 0, 0].tolist() == [[1.0, 0.0], [0.5, 1.0]]


def test_clips_of_an_example_follow_one_another():
    gate = Gate(1)
    gate.value = torch.tensor([[0.0], [1.0]])
    assert gate(torch.ones(6, 1, 2))[:, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_channels_may_belong_to_no_map_or_share_one_and_lie_on_any_axis():
    gate = Gate([-1, 1, 0, 1], axis=-1)
    gate.value = torch.tensor([[2.0, 3.0]])
    assert gate(torch.ones(1, 5, 4))[0, 0].tolist() == [1, 3, 2, 3]


def test_gates_open_again_after_an_exception():
    model = nn.Sequential(Gate(2))
    site = Site("a", 2, (), ("0",), ())
    with pytest.raises(RuntimeError, match="in the middle"), gated(model, {site: torch.zeros(1, 2)}):
        raise RuntimeError("in the middle")
    assert model[0].value is None
