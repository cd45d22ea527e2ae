"""A pruning run that is interrupted after every second state that it keeps, and goes on until it is through."""

import json

import numpy as np

from pruning_oracle.bench.weights.state_dict import arrays
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.resume import StateFile


def went_on(make_case, settings, criterion, path):
    """The last state of a run of the case that `make_case` makes anew for each attempt, interrupted at least twice."""
    keeper, kills = StateFile(path, {"a": 1}, seconds=0.0), 0
    while True:
        state, asked = keeper.found(make_case()), 0

        def kill(state):
            nonlocal asked
            keeper(state)
            asked += 1
            if asked == 2 and not state.finished:
                raise KeyboardInterrupt

        try:
            found = Loop(state, settings, criterion, kill).run()
        except KeyboardInterrupt:
            kills += 1
            continue
        assert kills >= 2
        return found


def same_bits(whole, found):
    """Asserts that two runs ended in the same network and recorded the same steps, but for the seconds."""
    for part, tensor in arrays(whole.pruned.case.model).items():
        np.testing.assert_array_equal(tensor, arrays(found.pruned.case.model)[part])
    timeless = [json.dumps([row | {"seconds": 0} for row in state.rows], sort_keys=True) for state in (whole, found)]
    assert timeless[0] == timeless[1]
