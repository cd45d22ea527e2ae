"""Measures runs for the pytest plugin: criteria once per session, and oracles that do not ship once per version.

It runs the suite's own commands because reports must not import the stages that measure. Several run side by side on one
thread each, since small networks gain little from a second thread. The processes of one session (pytest-xdist's) share the
work: the process that gets the lock of a file first measures it, and the others wait for it.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.code_digest import depends_on
from pruning_oracle.bench.runs.provenance import ROOT
from pruning_oracle.reports.regression import shipped_oracles

INTERRUPTED = threading.Event()  # set once the session was interrupted, for its threads, which no signal reaches
SECONDS = 0.2  # between two looks at it
MEASURES = ("oracle/measure.py", "bench/setting.py")


@dataclass(frozen=True)
class Work:
    """What a pytest session measures: the criteria of a file, on some cases at some seeds."""

    criteria: Path
    cases: Sequence[str]
    seeds: Sequence[int]
    examples: int | None  # per run; None: the case's own number
    cache: Path  # oracles, kept between sessions
    folder: Path  # the runs of this session
    workers: int = 1  # processes of the session that share the cores

    def measure(self) -> None:
        """Measures every run that does not exist yet, and waits for those that another process is measuring."""
        every = [(case, seed) for case in self.cases for seed in self.seeds]
        with ThreadPoolExecutor(max(1, cores() // self.workers)) as pool:
            try:
                for wait in (False, True):
                    list(pool.map(functools.partial(self._measure, wait=wait), every))
            except KeyboardInterrupt:
                INTERRUPTED.set()
                raise

    def _measure(self, which: tuple[str, int], wait: bool) -> None:
        """Measures a run's criteria, and then its oracle unless that ships; criteria come first, since theirs may be a mistake.

        Unless `wait` is set, it skips what another process is measuring.
        """
        case, seed = which
        folder, kept = runs.folder(case, seed, self.folder), runs.folder(case, seed, self.cache / version(case, seed))
        how = [case, "--seed", str(seed), "--device", "cpu", *(["--examples", str(self.examples)] if self.examples else [])]
        oracle, guesses = kept / f"oracle-{self.examples or 'all'}.safetensors", folder / "criteria.safetensors"
        call = ["criteria", *how, "--criteria", str(self.criteria), "--out", str(guesses)]
        if not _once(guesses, wait, lambda: _command(*call)):
            return
        if not self._why_measured(case, seed):
            oracle = shipped_oracles.path(case, seed)
        elif not _once(oracle, wait, lambda: _command("oracle", *how, "--out", str(oracle))):
            return
        _once(folder / "oracle.safetensors", True, lambda: shutil.copyfile(oracle, folder / "oracle.safetensors"))

    def measured_oracles(self, case: str) -> list[str]:
        """A line for every oracle of a measured case that did not ship, with the reason."""
        reasons = {seed: self._why_measured(case, seed) for seed in self.seeds}
        return [f"measured: the oracle of {case} seed {seed}, since {why}" for seed, why in reasons.items() if why]

    def _why_measured(self, case: str, seed: int) -> str:
        guesses = runs.load(runs.folder(case, seed, self.folder) / "criteria.safetensors", "criteria")
        return shipped_oracles.unfit(guesses)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Lets only one process of the session at a time into a block of this name."""
        with _locked(self.folder / name, wait=True):
            yield


def _once(path: Path, wait: bool, make: Callable[[], object]) -> bool:
    """Calls `make` if the file is missing; False if another process is making it and `wait` is not set."""
    with _locked(path, wait) as free:
        if free and not path.exists():
            make()
    return free


@contextlib.contextmanager
def _locked(path: Path, wait: bool) -> Iterator[bool]:
    """Holds the lock of a file during the block; yields False if another process holds it and `wait` is not set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        free = _taken(lock)
        while wait and not free and not INTERRUPTED.wait(SECONDS):
            free = _taken(lock)
        yield free


def _taken(lock: IO[str]) -> bool:
    """Takes a lock, unless another process holds it."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _command(*words: str) -> None:
    """Runs a stage's command on one thread, with this process's import path; raises BadInput with its last line of error."""
    where = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": where, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    call = [sys.executable, "-P", "-m", "pruning_oracle", *words]
    errors = None
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while errors is None:
            try:
                errors = running.communicate(timeout=SECONDS)[1]
            except subprocess.TimeoutExpired:
                if INTERRUPTED.is_set():
                    running.send_signal(signal.SIGINT)
    if running.returncode:
        said = errors.strip().splitlines()
        text = said[-1].removeprefix("error: ") if said else f"status {running.returncode}"
        raise BadInput(f"pruning-oracle {words[0]} {words[1]}: {text}")


@functools.cache
def version(case: str, seed: int) -> str:
    """A digest of what an embedded case's oracle at a seed depends on: the measuring code, its weights, the libraries."""
    definition = f"bench/cases/{case.replace('-', '_')}.py"
    sha = hashlib.sha256(repr(depends_on([*MEASURES, *([definition] if (ROOT / definition).is_file() else [])])).encode())
    for file in sorted((ROOT / "bench/weights").glob(f"{case}-{seed}.safetensors")):
        sha.update(file.read_bytes())
    return sha.hexdigest()[:16]


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
