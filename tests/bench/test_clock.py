"""A call is timed from its start to its end, with or without a call before that to warm up."""

import time

from pruning_oracle.bench import clock


def test_a_call_takes_at_least_what_it_waits():
    calls = []

    def wait():
        calls.append(1)
        time.sleep(0.02)

    assert clock.once(wait) >= 0.02
    assert len(calls) == 1
    assert clock.timed(wait) >= 0.02
    assert len(calls) == 3
