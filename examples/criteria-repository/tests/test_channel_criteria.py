"""What a criterion answers, by hand: no network is needed for it."""

from types import SimpleNamespace

import torch
from channel_criteria import steepness


def test_a_map_that_never_fires_is_finitely_steep():
    seen = SimpleNamespace(gate_grad=torch.tensor([[0.0, -3.0]]), magnitude=torch.tensor([[0.0, 2.0]]))
    assert steepness.saliency(seen).tolist() == [[0.0, 1.5]]
