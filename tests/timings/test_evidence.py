"""What all first-order evidence costs, against reading the same examples and one forward and backward pass, as in training."""

import pytest
import torch

from pruning_oracle.bench import clock
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED

from timings.networks import SETUPS

ROUNDS, EXAMPLES, SIZE = 7, 192, 64
CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


@pytest.mark.parametrize("name", CASES)
def test_first_order_evidence(benchmark, name):
    """Interleaved: seconds of the evidence are pytest-benchmark's, those of the plain pass are in `extra_info`."""
    case = SETUPS[name].case().to("auto", "float32")

    def plain():
        for batch in case.batches(case.train, range(EXAMPLES), SIZE):
            torch.autograd.grad(case.losses(batch).sum(), list(case.model.parameters()), allow_unused=True)

    def evidence():
        collect(case, range(EXAMPLES), SIZE, DIFFERENTIATED, "timed")

    clock.timed(evidence)
    clock.timed(plain)
    passes = []
    benchmark.pedantic(evidence, setup=lambda: passes.append(clock.once(plain)), rounds=ROUNDS)
    benchmark.extra_info |= {
        "network": name,
        "examples": EXAMPLES,
        "batch": SIZE,
        "evidence": sorted(DIFFERENTIATED),
        "passes, s": passes,
    }
