"""Repairs in the pruning loop: what a run with one needs of its case, and the examples that it sets aside for it."""

from pruning_oracle.bench.case import Case, LeftOut
from pruning_oracle.bench.cutting.surgery import Pruned
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.names import BIAS, REPAIRS
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.repair.readers import uncarried


def examples_of_repair(case: Case, settings: PruningSettings) -> list[int]:
    """The rows of the training examples that repairs see, which neither rank nor are learnt from; none without a repair.

    BadInput if there are not enough.
    """
    if settings.repair == "none":
        return []
    return spare_examples(case, settings.repair_examples, settings.examples or case.examples)


def uncarried_by(settings: PruningSettings, pruned: Pruned) -> tuple[LeftOut, ...]:
    """The maps of a run whose means a repair of biases cannot carry everywhere, by site and reason; none without one."""
    return uncarried(pruned.whole, pruned.wiring) if BIAS in REPAIRS[settings.repair] else ()
