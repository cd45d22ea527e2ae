"""A few processes that share work; an interruption (Ctrl-C) ends them with the process that started them, without a word."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.terminal import guard_output, ignore_interruptions, interruptible

SECONDS = 10.0  # that a process may take to end after an interruption
Futures = list["Future[Any]"]
_interrupted: list[bool] = []  # in a process of the pool


@contextlib.contextmanager
def shared_out(
    work: Callable[[Any], Any], parts: Iterable[Any], jobs: int, begin: Callable[..., None] | None = None, *given: Any
) -> Iterator[Futures]:
    """The results of `work` on every part, as futures, computed by `jobs` new processes while the block runs.

    Each process first calls `begin` with `given`. BadInput if one is killed; those parts that have not begun when the block
    ends, or fails, are left out.
    """
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (begin, given))
    with _held_back():  # a new process inherits that: it is interrupted within its work and nowhere else
        futures = [pool.submit(_done, work, part) for part in parts]
    try:
        yield futures
    except BrokenProcessPool as error:
        raise BadInput("a process was ended from outside, perhaps for lack of memory: what was finished is kept") from error
    except KeyboardInterrupt:
        ignore_interruptions()
        _end(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end(pool: ProcessPoolExecutor) -> None:
    """Interrupts the processes, and kills those that do not end then."""
    pool.shutdown(wait=False, cancel_futures=True)
    children = multiprocessing.active_children()
    for child in children:
        if child.pid:
            os.kill(child.pid, signal.SIGINT)
    for child in children:
        child.join(SECONDS)
        child.kill()


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    guard_output()
    if begin:
        begin(*given)


def _done(work: Callable[[Any], Any], part: Any) -> Any:
    """In a process of the pool: the work on a part, unless an interruption came before."""
    try:
        if _interrupted:
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        with interruptible():
            return work(part)
    except KeyboardInterrupt:
        ignore_interruptions()
        _interrupted.append(True)
        raise  # in the process that waits for the result
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Holds an interruption back until the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
