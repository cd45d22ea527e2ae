"""Runs chains of commands in a few processes, each started once and taking chain after chain."""

import concurrent.futures
import importlib
import sys
import time
from collections.abc import Iterator, Sequence

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.pool import shared_out

SUITE = "pruning_oracle"
Command = tuple[str, ...]  # the words of a command line after `pruning-oracle`


def run_all(chains: Sequence[list[Command]], jobs: int, label: str) -> None:
    """Runs chains of commands, `jobs` at a time, and says how far it is; the first that fails ends all."""
    start, ends = time.monotonic(), list[float]()
    for error in _errors(chains, jobs):
        if error:
            raise BadInput(error)
        ends.append(time.monotonic() - start)
        done = f"{label}: {len(ends)} of {len(chains)} done after {ends[-1]:.0f} s"
        print(done + _left(ends, len(chains), jobs), flush=True)


def _errors(chains: Sequence[list[Command]], jobs: int) -> Iterator[str]:
    """For each chain that ended what `run_chain` says, up to the first mistake."""
    if jobs == 1:
        yield from map(run_chain, chains)
        return
    error = ""
    with shared_out(run_chain, chains, jobs) as futures:
        for future in concurrent.futures.as_completed(futures):
            if error := future.result():
                break
            yield error
    if error:
        yield error


def _left(ends: list[float], total: int, jobs: int) -> str:
    """How long the rest may take, by the pace since every process was through with its first; at first nobody knows."""
    done, after = len(ends), ends[jobs - 1] if len(ends) > jobs else 0.0
    if done <= jobs or done == total:
        return ""
    return f", about {(ends[-1] - after) / (done - jobs) * (total - done):.0f} s left"


def run_chain(chain: list[Command]) -> str:
    """Runs commands one after another in this process; what the first mistake says, if there is one."""
    main = importlib.import_module(f"{SUITE}.command_line.app").main
    for words in chain:
        sys.argv = ["pruning-oracle", *words]  # a run file says which command made it
        try:
            main(words)
        except BadInput as error:
            return str(error)
    return ""
