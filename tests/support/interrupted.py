"""Measures a toy's oracle in child processes that are killed at random moments, until one finishes.

`tests/oracle/test_resume.py` runs this file. Children are forked from a process that has imported everything, so that a hundred
of them take seconds.
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
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.resume import Units


def work(out: Path, setting: dict) -> None:
    """Measures as `python -m pruning_oracle.oracle` does, but slowly, so that kills come in every part of the measurement."""
    case = toy_case("residual")
    with Units(out, setting).hold() as units:
        engine = Replay(case, choices=units.choices, fold=7)

        def slow(*given):
            time.sleep(0.004)
            return engine(*given)

        oracle = measure(case, slow, range(24), 1, units)
        runs.save(out, "oracle", {name: change.numpy() for name, change in oracle.changes.items()}, dict(units.choices))


def child(out: Path, setting: dict) -> int:
    """Starts a child process that measures, and returns its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work(out, setting)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def main() -> None:
    """Prints how many children were killed, after how many of these kills a unit existed, and the last child's exit status."""
    torch.set_num_threads(1)
    out, seed = Path(sys.argv[1]), int(sys.argv[2])
    generator = np.random.default_rng(abs(seed))
    killed = went_on = 0
    while True:
        pid = child(out, {"seed": seed})
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
