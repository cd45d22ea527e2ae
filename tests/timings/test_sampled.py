"""An estimated oracle against the exact engine on as many examples as agree equally well with the whole oracle.

Interleaved, the backward pass and all arithmetic included; the engine has planned before the clock starts.
"""

import dataclasses

import pytest

from pruning_oracle.bench import clock
from pruning_oracle.bench.device import finish
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.trial.recorded import agreement_of_estimates
from pruning_oracle.oracle.trial.trial import examples_for

ROUNDS, DRAWS, SIZE = 3, 20, 64
CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures", "cnn3-cifar10", "resnet20-cifar10")


def opened(name):
    """The case; those with data of others skip where the data are absent."""
    try:
        return load(name, 0).to("auto", "float32")
    except BadInput as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("name", CASES)
def test_estimated_oracle(benchmark, name, share):
    """Seconds of the estimated oracle are pytest-benchmark's, those of the exact one on all examples are in `extra_info`."""
    case = opened(name)
    rows, engine = case.split()[0], Replay(case)
    whole, taken, found = {}, [], []

    def exact():
        changes = measure(case, engine, rows, SIZE).changes
        whole.update({site: change.double().cpu().numpy() for site, change in changes.items()})

    def estimated():
        again = dataclasses.replace(case, seed=len(found))
        found.append(Sampling(again, engine, rows, SIZE).run(Goal(share)))
        finish()

    estimated()
    found.clear()
    benchmark.pedantic(estimated, setup=lambda: taken.append(clock.once(exact)), rounds=ROUNDS)
    reached = [agreement_of_estimates(one.estimates, "shrunk", whole)[0] for one in found]
    benchmark.extra_info |= {
        "network": name,
        "share": share,
        "maps": sum(site.maps for site in case.sites),
        "examples": len(rows),
        "exact, s": taken,
        "spearman, mean over sites": reached,
        "examples of an exact oracle as good": examples_for(sum(reached) / len(reached), whole, DRAWS),
    }
