"""What is asked of the pipeline: which runs, and the commands that each of them takes."""

import argparse
import importlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import folder
from pruning_oracle.bench.runs.bounds import PIXELS, SEED
from pruning_oracle.pipeline.processes import Command
from pruning_oracle.pruning.studies import FAR, SURVIVAL, studies


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


def measuring(asked: Request, least: str = "quick") -> Iterator[list[Command]]:
    """For every run its oracle, its criteria and the tables of both."""
    for case, seed in asked.runs:
        yield [
            *oracle_of(asked, case, seed),
            asked.command("criteria", case, seed, "--criteria", *_criteria(asked.given.criteria.split(), least)),
            ("reports", "grade", case, "--seeds", str(seed)),
        ]


def _criteria(words: list[str], least: str) -> list[str]:
    """At `least` the quick criteria or all of them, and beside them those that were asked for."""
    every = "all" in (*words, least)
    return ["all" if every else "quick", *(word for word in words if word not in {"all", "quick"})]


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


def request(given: argparse.Namespace) -> Request:
    """What the command line asks for, checked: each case by the name that its runs have."""
    if given.criteria:  # otherwise a slip in a name shows after the oracle is measured
        importlib.import_module("pruning_oracle.criteria.criterion").choose_criteria(given.criteria.split())
    if given.network:
        line = _line(given)
        return Request({_run_name(line): line}, _seeds(given.seeds), given)
    for name in ("dataset", "weights"):  # the environment may hold a NAME or a SIZE of something else
        if getattr(given, name):
            raise BadInput(
                f"{name.upper()} is for NETWORK=torchvision:NAME or timm:NAME, which is not given; CASES bring their own"
            )
    names = given.cases.split()
    if not names:
        raise BadInput(f"CASES is {given.cases!r}: name at least one case")
    return Request({_run_name(name) if name.endswith(".py") else name: name for name in names}, _seeds(given.seeds), given)


def _line(given: argparse.Namespace) -> str:
    """A network without a Python file, in one line."""
    if not given.dataset:
        raise BadInput("NETWORK needs examples: DATASET=imagefolder:PATH, npz:PATH or videofolder:PATH")
    if given.size:
        PIXELS.read("SIZE", given.size)
    options = {"data": given.dataset, "weights": given.weights, "size": given.size, "name": given.name}
    return shlex.join([given.network, *(word for name, value in options.items() if value for word in (f"--{name}", value))])


def _run_name(case: str) -> str:
    from pruning_oracle.bench.loading.load import find  # noqa: PLC0415 (imports torch, which the names of cases do not need)

    return find(case).name


def _seeds(text: str) -> list[int]:
    if not text.split():
        raise BadInput(f'SEEDS is {text!r}: allowed are {SEED}, such as "0 1 2"')
    return list(dict.fromkeys(SEED.read("SEEDS", word) for word in text.split()))
