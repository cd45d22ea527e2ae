"""Random networks: removal is deletion by hand, and replay is the literal engine."""

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis, which makes random networks, is not installed")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fuzz.judge import Seen, judge  # noqa: E402
from fuzz.networks import programs  # noqa: E402


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 2**16))
def test_random_networks(program, seed):
    judge(program, seed, Seen())
