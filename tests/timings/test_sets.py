"""Joint losses by the replay engine against the literal one: random sets of a tenth of all maps, interleaved in one process."""

import pytest
import torch

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Batch
from pruning_oracle.bench.device import finish
from pruning_oracle.bench.map_set import random_sets
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.replay import ReplaySets

from timings.networks import SETUPS

ROUNDS, SETS, EXAMPLES = 3, 100, 64
CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("name", CASES)
def test_joint_losses(benchmark, name, share):
    """Seconds of replay are pytest-benchmark's, planned before the clock starts; those of literal are in `extra_info`."""
    case = SETUPS[name].case().to("auto", "float32")
    sets, batch = random_sets(case, SETS, share, 0), next(case.batches(case.train, range(EXAMPLES), EXAMPLES))
    engine, taken, answers = ReplaySets(case), [], {}

    def replayed():
        again = Batch(batch.inputs, batch.labels)  # another object: its kept values are computed again, as for every batch
        answers["replay"] = engine(sets, again)
        finish()

    def whole():
        answers["literal"] = literal(case, sets, batch)

    replayed()
    benchmark.pedantic(replayed, setup=lambda: taken.append(clock.once(whole)), rounds=ROUNDS)
    torch.testing.assert_close(answers["replay"], answers["literal"], rtol=1e-3, atol=1e-3)
    facts = {"network": name, "sets": SETS, "share": share, "examples": EXAMPLES, "literal, s": taken}
    benchmark.extra_info |= facts
