"""What scoring adds to the pruning loop: fine-tuning updates that gather a criterion's evidence, against plain ones."""

import itertools

import pytest

from pruning_oracle.bench import clock
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.pruning.loop.gathering import EvidenceFromUpdates
from pruning_oracle.pruning.loop.ranking import by_criterion, lowest, scaled
from pruning_oracle.pruning.loop.updates import augmentation, optimizer, training_minibatches, update_once

from timings.networks import SETUPS

ROUNDS, UPDATES = 9, 10
CASES = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


@pytest.mark.parametrize("name", CASES)
def test_scores_from_the_updates(benchmark, name):
    """Interleaved: seconds with gathering and ranking are pytest-benchmark's, those of plain updates are in `extra_info`."""
    case, settings, taylor = (
        SETUPS[name].case().to("auto", "float32"),
        PruningSettings(rate=0.0),
        choose_criteria(["taylor"])[0],
    )
    step = optimizer(case.model, settings, {})
    batches = list(itertools.islice(training_minibatches(case, settings, 0, augmentation(case)), UPDATES))

    def updates(needs):
        gathering = EvidenceFromUpdates(case, needs)
        case.model.train()
        for update, batch in enumerate(batches):
            update_once(case, step, batch, update, gathering)
        case.model.eval()
        return gathering

    def scoring():
        lowest(case, scaled(case, by_criterion(case, taylor, updates(taylor.needs).evidence(0)), settings), 1)

    def plain():
        updates(frozenset())

    clock.timed(scoring)
    clock.timed(plain)
    passes = []
    benchmark.pedantic(scoring, setup=lambda: passes.append(clock.once(plain)), rounds=ROUNDS)
    known = {"network": name, "updates": UPDATES, "examples per update": settings.batch, "plain updates, s": passes}
    benchmark.extra_info |= known
