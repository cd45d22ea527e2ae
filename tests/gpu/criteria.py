"""What first-order evidence takes over a forward and backward pass, and the peak of memory at several limits."""

from collections.abc import Iterator
from typing import Any

import torch

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import memory
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure

from timings.networks import SETUPS, thin

ROUNDS = 7


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """A fact per network and size of minibatch, then one per memory limit, as `--memory` gives it."""
    networks = {"vgg-digits": (192, 64), "resnet-digits": (192, 64)} | ({} if tiny else {"VGG-16, 224²": (16, 16)})
    for name, (examples, size) in networks.items():
        case = (SETUPS[name].case() if name in SETUPS else load(name, 0)).to(str(device), "float32")
        yield {"network": name} | evidence(case, 8 if tiny else examples, 4 if tiny else size)
    whole = load("vgg-digits", 0) if tiny else SETUPS["VGG-16, 224²"].case()
    for limit in ("256MiB",) if tiny else ("1GiB", "4GiB", "16GiB"):
        case = thin(whole, 8 if tiny else 64).to(str(device), "float32")
        size = memory.batch_size(case, memory.parse(limit))
        weights = sum(tensor.nbytes for tensor in case.model.state_dict().values())
        memory.forget_peak(device)
        before = memory.peak(device)
        measure(case, Replay(case, memory.parse(limit)), range(min(size, 4 if tiny else 16)), size)
        most = memory.peak(device) - before
        yield {"memory limit": limit, "peak beyond the network, bytes": most, "weights, bytes": weights, "batch": size}


def evidence(case: Case, examples: int, size: int) -> dict[str, Any]:
    """Seconds of all first-order evidence and of a plain forward and backward pass, by turns."""

    def plain() -> None:
        for batch in case.batches(case.train, range(examples), size):
            torch.autograd.grad(case.losses(batch).sum(), list(case.model.parameters()), allow_unused=True)

    def gather() -> None:
        collect(case, range(examples), size, DIFFERENTIATED, "timed")

    plain()
    gather()
    both = [(clock.once(plain), clock.once(gather)) for _ in range(ROUNDS)]
    ratios = sorted(second / first for first, second in both)
    return {"examples": examples, "batch": size, "seconds, plain and with evidence": both, "median ratio": ratios[ROUNDS // 2]}
