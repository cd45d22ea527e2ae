"""The pipeline that `make` runs: the stages' own commands for cases and seeds, several at a time in a few processes.

Every stage decides by content whether its file is still what it would make, so nothing is made twice. Each process is
started once and takes run after run.
"""

import argparse
import concurrent.futures
import importlib
import multiprocessing
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.runs import RUNS, folder
from pruning_oracle.pruning.studies import FAR, PRUNING, SMALL, SURVIVAL, studies

EMBEDDED = "vgg-digits resnet-digits r3dcnn-gestures"
SUITE = "pruning_oracle"
Command = tuple[str, ...]  # a module of the suite, and its arguments


@dataclass(frozen=True)
class Request:
    """What was asked for: cases as commands take them, by the names of their runs, and how to measure."""

    cases: dict[str, str]  # a run's name -> the case as a command takes it
    seeds: list[int]
    given: argparse.Namespace

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Cases and seeds, the last first: there the most expensive case is, which nothing should have to wait for."""
        return [(case, seed) for case in reversed(self.cases) for seed in reversed(self.seeds)]

    def command(self, module: str, case: str, seed: int, *more: str) -> Command:
        """A command for one run."""
        device = ("--device", self.given.device)
        strict = ("--strict",) if self.given.strict else ()
        return (module, self.cases[case], "--seed", str(seed), *device, *strict, *more)


def measuring(asked: Request, criteria: str = "quick") -> Iterator[list[Command]]:
    """For every run its oracle, its criteria and the tables of both."""
    for case, seed in asked.runs:
        yield [
            *oracle_of(asked, case, seed),
            asked.command("criteria", case, seed, "--criteria", *(asked.given.criteria or criteria).split()),
            ("reports", "grade", case, "--seeds", str(seed)),
        ]


def oracle_of(asked: Request, case: str, seed: int) -> list[Command]:
    """One run's oracle, whole or estimated."""
    given = asked.given
    goal = [word for name in ("budget", "until") if (value := getattr(given, name)) for word in (f"--{name}", value)]
    return [asked.command("oracle", case, seed, *goal)]


def pruning(asked: Request, more: bool) -> Iterator[list[Command]]:
    """The runs of the studies, each with what is made of its network."""
    for case, seed in asked.runs:
        for place, runs in studies(case, bool(asked.given.small), more).items():
            for name, changes in runs.items():
                out, options = folder(case, seed) / place, [word for item in changes.items() for word in _option(*item)]
                prune = asked.command("pruning", case, seed, *options, "--run-name", name, "--out", str(out))
                scratch = ("pruning.scratch", str(out / f"{name}.network"), "--out", str(out / f"{name}.scratch"))
                yield [prune, scratch] if place == FAR else [prune]
        if not asked.given.small:
            options = [word for item in SURVIVAL.get(case, {}).items() for word in _option(*item)]
            yield [asked.command("pruning.survival", case, seed, *options)]


def _option(name: str, value: str) -> tuple[str, str]:
    return f"--{name}", value


def run_all(chains: Sequence[list[Command]], jobs: int, label: str) -> None:
    """Runs chains of commands, `jobs` at a time, and says how far it is; the first that fails ends all."""
    start, ends = time.monotonic(), list[float]()
    with _workers(jobs) as submit:
        waiting = {submit(chain) for chain in chains}
        while waiting:
            finished, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                if error := future.result():
                    raise BadInput(error)
                ends.append(time.monotonic() - start)
                print(
                    f"{label}: {len(ends)} of {len(chains)} done after {ends[-1]:.0f} s{_left(ends, len(chains), jobs)}",
                    flush=True,
                )


def _left(ends: list[float], total: int, jobs: int) -> str:
    """How long the rest may take, by the pace since every process was through with its first; at first nobody knows."""
    done, after = len(ends), ends[jobs - 1] if len(ends) > jobs else 0.0
    if done <= jobs or done == total:
        return ""
    return f", about {(ends[-1] - after) / (done - jobs) * (total - done):.0f} s left"


class _workers:  # noqa: N801 (reads as a function where it is used)
    """Gives what submits a chain: to processes of their own, or with a single job to this one, at once."""

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pool = concurrent.futures.ProcessPoolExecutor(jobs, context) if jobs > 1 else None

    def __enter__(self) -> Callable[[list[Command]], "concurrent.futures.Future[str]"]:
        return self._submit

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, chain: list[Command]) -> "concurrent.futures.Future[str]":
        if self.pool:
            return self.pool.submit(run_chain, chain)
        future: concurrent.futures.Future[str] = concurrent.futures.Future()
        future.set_result(run_chain(chain))
        return future


def run_chain(chain: list[Command]) -> str:
    """Runs commands one after another in this process; what the first mistake says, if there is one."""
    for module, *arguments in chain:
        sys.argv = [f"-m {SUITE}.{module}", *arguments]  # a run file says which command made it
        try:
            name = module if "." in module else f"{module}.__main__"
            importlib.import_module(f"{SUITE}.{name}").main(arguments)
        except BadInput as error:
            return str(error)
        except KeyboardInterrupt:
            return "interrupted: files already written are complete, nothing else was written"
    return ""


def request(given: argparse.Namespace) -> Request:
    """What the command line asks for, checked: each case by the name that its runs have."""
    if given.network:
        line = _line(given)
        return Request({_run_name(line): line}, _seeds(given.seeds), given)
    names = given.cases.split()
    return Request({_run_name(name) if name.endswith(".py") else name: name for name in names}, _seeds(given.seeds), given)


def _line(given: argparse.Namespace) -> str:
    """A network without a Python file, in one line."""
    if not given.dataset:
        raise BadInput("NETWORK needs examples: DATASET=imagefolder:PATH, npz:PATH or videofolder:PATH")
    options = {"data": given.dataset, "weights": given.weights, "size": given.size, "name": given.name}
    return shlex.join([given.network, *(word for name, value in options.items() if value for word in (f"--{name}", value))])


def _run_name(case: str) -> str:
    from pruning_oracle.bench.loading.load import find  # noqa: PLC0415 (imports torch, which the names of cases do not need)

    return find(case).name


def _seeds(text: str) -> list[int]:
    wrong = [word for word in text.split() if not word.isdecimal()]
    if wrong or not text.split():
        raise BadInput(f'SEEDS is {text!r}: allowed are whole numbers from 0 on, such as "0 1 2"')
    return list(dict.fromkeys(map(int, text.split())))


def run_target(target: str, asked: Request) -> None:
    """Makes one target of the Makefile."""
    given, cases, seeds = asked.given, list(asked.cases), [str(seed) for seed in asked.seeds]
    on_cases = [*cases, "--seeds", *seeds]

    def report(*words: str) -> None:
        importlib.import_module(f"{SUITE}.reports.__main__").main(words)

    if target == "oracle":
        run_all([oracle_of(asked, *run) for run in asked.runs], given.jobs, "oracles")
    elif target in {"compare", "report"}:
        run_all(list(measuring(asked)), given.jobs, "runs")
        report("page", *on_cases, "--jobs", str(given.jobs))
        if target == "compare":
            report("show", *on_cases)
    elif target in {"regress", "regress-accept"}:
        if target == "regress-accept" and not given.reason.strip():
            raise BadInput('a new baseline needs a reason: make regress-accept REASON="why"')
        run_all(list(measuring(asked, "all")), given.jobs, "runs")
        report(*(["accept", *on_cases, "--reason", given.reason] if target == "regress-accept" else ["regress", *on_cases]))
    elif target in {"prune", "prune-more"}:
        run_all(list(pruning(asked, more=target == "prune-more")), given.jobs, "pruning runs")
        report("pruning", *on_cases)
    elif target == "prune-timings":
        files = [str(file) for case, seed in asked.runs for file in sorted((folder(case, seed) / FAR).glob("*.network"))]
        if not files:
            raise BadInput(f"no networks to time under {RUNS}: `make prune-more` makes them")
        run_all([[("pruning.latency", file, "--device", given.device)] for file in files], 1, "timings")
        report("pruning", *on_cases)
    else:
        train = [asked.command("bench", case, seed) for case, seed in asked.runs]
        run_all([[(module, "train", *words)] for module, *words in train], 1, "trainings")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, as the Makefile calls it: an empty value is one that was not given."""
    parser = argparse.ArgumentParser(prog=f"python -m {SUITE}.pipeline", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", default="", help=text)
    parser.add_argument("--small", nargs="?", const="1", default="", help=f"prune: only {' and '.join(SMALL)} under {PRUNING}")
    parser.add_argument("--strict", nargs="?", const="1", default="", help="an example that cannot be read is an error")
    given = parser.parse_args(arguments)
    given.cases, given.seeds, given.device = given.cases or EMBEDDED, given.seeds or "0 1 2", given.device or "auto"
    if given.small:
        given.seeds = given.seeds.split()[0]
    if given.jobs and not given.jobs.isdecimal():
        raise BadInput(f"JOBS is {given.jobs!r}: allowed is a whole number, how many runs are made at a time")
    given.jobs = int(given.jobs or 0) or (1 if any(Path("/dev").glob("nvidia[0-9]")) else 2)
    if given.jobs > 1:
        _share_cores(given.jobs)
    run_target(given.target, request(given))


def _share_cores(jobs: int) -> None:
    """Two runs at a time, a core each: small networks gain little from a second one. The processes inherit it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(-(-cores // jobs)))
    os.environ.setdefault("TQDM_DISABLE", "1")


TARGETS = ("oracle", "compare", "report", "regress", "regress-accept", "prune", "prune-more", "prune-timings", "train")
OPTIONS = {
    "cases": f"names of cases, or .py files that hold one (default: {EMBEDDED})",
    "seeds": "of the cases (default: 0 1 2)",
    "criteria": "which: quick (default), all, names, .py files",
    "device": "auto (default), cpu or cuda",
    "budget": "oracles: a share of the pairs, or seconds such as 60s",
    "until": "oracles: until spearman=0.98 is likely, or intervals have at most width=0.01 nats",
    "network": "torchvision:NAME or timm:NAME in the place of cases",
    "weights": "its weights",
    "dataset": "its examples, such as imagefolder:PATH",
    "size": "pixels of the square it sees",
    "name": "what its runs are called",
    "reason": "regress-accept: why the new figures are right",
    "jobs": "how many runs are made at a time (default: 2, or 1 where there is a GPU)",
}

if __name__ == "__main__":
    exit_with(main)
