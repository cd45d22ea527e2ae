"""timed(): what a call takes, with a run to warm up outside the clock, and a GPU's work waited for."""

import time
from collections.abc import Callable
from typing import Any

import torch


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes after one before it."""
    call()
    return once(call)


def once(call: Callable[[], Any]) -> float:
    """Seconds that a call takes, as it comes."""
    finish()
    start = time.perf_counter()
    call()
    finish()
    return time.perf_counter() - start


def finish() -> None:
    """Waits until a GPU has done what it was asked to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
