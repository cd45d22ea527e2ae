"""ResNet-50 and the full-width gesture network with random weights: rates of every way, in the two precisions that matter."""

from collections.abc import Iterator
from typing import Any

import torch

from gpu.rates import rates
from pruning_oracle.bench.loading.load import load

from timings.networks import SETUPS

NETWORKS = {"ResNet-50, 224²": (106, 16), "C3D + GRU, 112²": (64, 2)}  # maps and examples of the sample


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """The rates of both, told apart by `network`; a rehearsal takes the embedded networks for them."""
    known = {"resnet-digits": (8, 3), "r3dcnn-gestures": (8, 2)} if tiny else NETWORKS
    for name, (maps, examples) in known.items():
        case = load(name, 0) if tiny else SETUPS[name].case()
        for fact in rates(case, device, maps, examples, ["bfloat16", "float32"], 256 if tiny else 8192):
            yield {"network": name} | fact
