"""Cases in which something else than zeros stands in a removed map's place."""

from pruning_oracle.bench.fill import FILLS, ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.fill_choice import with_fill
from pruning_oracle.bench.network.fills import prepared

OTHERS = [name for name in FILLS if name != ZERO]


def filled_case(case, fill, size=5):
    """The case with a fill that is ready for its shared and fresh examples; means are measured `size` examples at a time."""
    return prepared(with_fill(case, fill, ExampleChoice()), range(len(case.train)), size)
