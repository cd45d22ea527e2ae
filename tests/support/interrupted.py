"""Measures a toy's oracle, or joint losses, in child processes that are killed at random moments, until one finishes.

`tests/oracle/test_resume.py` and `tests/oracle/sets/test_measuring_sets.py` run this file. Children are forked from a process
that has imported everything, so that a hundred of them take seconds.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.map_set import random_sets
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.resume import Units
from pruning_oracle.oracle.sets.measure import measure_sets
from pruning_oracle.oracle.sets.replay import ReplaySets


def work(out: Path, setting: dict, kind: str) -> None:
    """Measures as the command does, but slowly, so that kills come in every part of the measurement."""
    case = toy_case("residual")
    with Units(out, setting).hold() as units:
        engine = {"oracle": Replay, "sets": ReplaySets}[kind](case, choices=units.choices, fold=7)

        def slow(*given):
            time.sleep(0.004)
            return engine(*given)

        if kind == "sets":
            arrays = {"joint": measure_sets(case, slow, random_sets(case, 60, 0.3, 0), range(24), 1, units).joint.numpy()}
        else:
            oracle = measure(case, slow, range(24), 1, units)
            arrays = {name: change.numpy() for name, change in oracle.changes.items()}
        runs.save(out, kind, arrays, dict(units.choices))


def child(out: Path, setting: dict, kind: str) -> int:
    """Starts a child process that measures, and returns its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work(out, setting, kind)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def main() -> None:
    """Prints how many children were killed, after how many of these kills a unit existed, and the last child's exit status."""
    torch.set_num_threads(1)
    out, seed, kind = Path(sys.argv[1]), int(sys.argv[2]), (*sys.argv[3:], "oracle")[0]
    generator = np.random.default_rng(abs(seed))
    killed = went_on = 0
    while True:
        pid = child(out, {"seed": seed}, kind)
        deadline = time.monotonic() + generator.uniform(0, 0.3) * (1 + killed / 20)  # on a busy machine a child needs longer
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        if ended[0]:
            print(killed, went_on, ended[1])
            return
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        killed += 1
        went_on += bool(list(out.with_suffix(".units").glob("*/*.safetensors")))


if __name__ == "__main__":
    main()
