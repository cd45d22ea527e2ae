"""What all first-order evidence costs, against one forward and backward pass over the same examples, as in training."""

import pytest
import torch

from bench import clock
from bench.timings.networks import SETUPS
from criteria.evidence import collect
from criteria.statistics import DIFFERENTIATED

ROUNDS, EXAMPLES = 5, 128
CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


@pytest.mark.parametrize("name", CASES)
def test_first_order_evidence(benchmark, name):
    """Interleaved: seconds of the evidence are pytest-benchmark's, those of the plain pass are in `extra_info`."""
    case = SETUPS[name].case().to("auto", "float32")
    batch = next(case.batches(case.train, range(EXAMPLES), EXAMPLES))

    def plain():
        loss = case.losses(batch).sum()
        torch.autograd.grad(loss, list(case.model.parameters()), allow_unused=True)

    def evidence():
        collect(case, range(EXAMPLES), EXAMPLES, DIFFERENTIATED, "timed")

    clock.timed(evidence)
    clock.timed(plain)
    passes = []
    benchmark.pedantic(evidence, setup=lambda: passes.append(clock.once(plain)), rounds=ROUNDS)
    benchmark.extra_info |= {"network": name, "examples": EXAMPLES, "evidence": sorted(DIFFERENTIATED), "passes, s": passes}
