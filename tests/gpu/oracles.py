"""The embedded oracles on the GPU against the CPU's in float64: the largest difference, and seconds."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure

CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """For every case and precision: the largest difference to the CPU in nats, and seconds with and without planning."""
    examples, size = (4, 4) if tiny else (128, 64)
    for name in CASES:
        whole = load(name, 0)
        if tiny:
            whole = dataclasses.replace(whole, sites=whole.sites[-2:])
        here = whole.to("cpu", "float64")
        exact, seconds = oracle(here, Replay(here), examples, size)
        yield {"case": name, "device": "cpu", "precision": "float64", "examples": examples, "seconds": seconds}
        for precision in ["float32", *(["tf32"] if device.type == "cuda" else []), "bfloat16"]:
            there = whole.to(str(device), precision)
            engine = Replay(there)
            (found, planned), (_, seconds) = (oracle(there, engine, examples, size) for _ in range(2))
            most = max(float((found[site].double() - exact[site]).abs().max()) for site in exact)
            said = {"case": name, "device": device.type, "precision": precision, "examples": examples}
            yield said | {"largest difference, nats": most, "seconds with planning": planned, "seconds": seconds}


def oracle(case: Case, engine: Replay, examples: int, size: int) -> tuple[dict[str, Tensor], float]:
    """The changes in loss by site, and the seconds that they took."""
    found: dict[str, Tensor] = {}
    return found, clock.once(lambda: found.update(measure(case, engine, range(examples), size).changes))
