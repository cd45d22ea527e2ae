"""Times a call in seconds, including the work that it gives to a GPU, with or without a call to warm up."""

import time
from collections.abc import Callable
from typing import Any

from pruning_oracle.bench.device import finish


def timed(call: Callable[[], Any]) -> float:
    """Seconds that `call` takes, after an untimed call to warm up."""
    call()
    return once(call)


def once(call: Callable[[], Any]) -> float:
    """Seconds that `call` takes, without a call to warm up."""
    finish()
    start = time.perf_counter()
    call()
    finish()
    return time.perf_counter() - start
