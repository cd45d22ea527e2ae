"""What is asked of the pipeline: which runs, and the commands that each of them takes."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import folder
from pruning_oracle.bench.runs.options import each_once
from pruning_oracle.pipeline.processes import Command
from pruning_oracle.pruning.studies import FAR, SURVIVAL, WITH_BATCH_NORM, studies


@dataclass(frozen=True)
class Request:
    """What was asked for: cases as commands take them, by the names of their runs, their seeds, and how to measure."""

    cases: dict[str, str]  # a run's name -> the case as a command takes it
    seeds: list[int]
    jobs: int
    device: str = "auto"
    strict: bool = False
    criteria: tuple[str, ...] = ()
    oracle: dict[str, str] = field(default_factory=dict)  # options of the oracle alone
    both: dict[str, str] = field(default_factory=dict)  # options of oracle and criteria

    @property
    def computing(self) -> dict[str, str]:
        """The options of oracle and criteria that say how it is computed."""
        return {name: value for name, value in self.both.items() if name in {"precision", "batch", "memory"}}

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Cases and seeds, the last first: there the most expensive case is, which nothing should have to wait for."""
        return [(case, seed) for case in reversed(self.cases) for seed in reversed(self.seeds)]

    def command(self, name: str, case: str, seed: int, *more: str) -> Command:
        """A command for one run."""
        device = ("--device", self.device)
        strict = ("--strict",) if self.strict else ()
        return (name, self.cases[case], "--seed", str(seed), *device, *strict, *more)


def measuring(asked: Request, least: str = "quick") -> Iterator[list[Command]]:
    """For every run its oracle, its criteria, the tables of both, and what a quarter of each site costs."""
    for case, seed in asked.runs:
        chosen = ("--criteria", *_criteria(asked.criteria, least))
        yield [
            *oracle_of(asked, case, seed),
            asked.command("criteria", case, seed, *words_of(asked.both), *chosen),
            ("grade", case, "--seeds", str(seed)),
            asked.command("quick-sets", case, seed, *words_of(asked.computing)),
        ]


EVERY_CHOOSER = ("--by", "all", "--shares", "0.1", "0.25", "0.5", "0.75")
STUDIES_OF_SETS = {"chosen-sets": (), "reference-sets": (), "interactions": (), "layer-sensitivity": EVERY_CHOOSER}
JUDGING = 128  # examples: enough to tell sets of different choosers apart, in minutes
# of networks whose examples take long
FEWER = {"r3dcnn-gestures": 64}
SMALLER = {"interactions": ("--pairs", "250", "--curved", "32"), "better-sets": ("--examples", "32", "--orders", "8")}


def studying_sets(asked: Request) -> Iterator[list[Command]]:
    """For every run its oracle, criteria and tables, and all studies of sets; chosen ones also repaired, where it helps."""
    for (case, seed), chain in zip(asked.runs, measuring(asked), strict=True):
        smaller = SMALLER if case in FEWER else {}
        for name, options in STUDIES_OF_SETS.items():
            repair = ("--repair", "batchnorm") if name == "chosen-sets" and case in WITH_BATCH_NORM else ()
            judging = ("--examples", str(FEWER.get(case, JUDGING)))
            chain.append(asked.command(name, case, seed, *judging, *options, *repair, *smaller.get(name, ())))
        yield [*chain, asked.command("better-sets", case, seed, *smaller.get("better-sets", ()))]


def _criteria(words: Sequence[str], least: str) -> list[str]:
    """At `least` the quick criteria or all of them, and beside them those that were asked for."""
    every = "all" in (*words, least)
    return ["all" if every else "quick", *(word for word in words if word not in {"all", "quick"})]


def oracle_of(asked: Request, case: str, seed: int) -> list[Command]:
    """One run's oracle, whole or estimated."""
    return [asked.command("oracle", case, seed, *words_of(asked.oracle | asked.both))]


def pruning(asked: Request, small: bool, more: bool) -> Iterator[list[Command]]:
    """The runs of the studies, each with what is made of its network."""
    for case, seed in asked.runs:
        for place, runs in studies(case, small, more).items():
            for name, changes in runs.items():
                out = folder(case, seed) / place
                prune = asked.command("prune", case, seed, *words_of(changes), "--run-name", name, "--out", str(out))
                scratch = ("scratch", str(out / f"{name}.network"), "--out", str(out / f"{name}.scratch"))
                yield [prune, scratch] if place == FAR else [prune]
        if not small:
            yield [asked.command("survival", case, seed, *words_of(SURVIVAL.get(case, {})))]


def words_of(options: dict[str, str]) -> list[str]:
    """Options as the words of a command line."""
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def named_cases(lines: Sequence[str]) -> dict[str, str]:
    """Cases as commands take them, by the names of their runs; BadInput for none, and for one that is named twice."""
    if not lines:
        raise BadInput("CASES is empty: name at least one case")
    names = [_run_name(line) for line in lines]
    each_once("the command", names)
    return dict(zip(names, lines, strict=True))


def _run_name(line: str) -> str:
    """The name of a case's runs; a plain name is its own, which takes no import of torch."""
    if ":" not in line and not line.endswith(".py"):
        return line
    return str(importlib.import_module("pruning_oracle.bench.loading.load").find(line).name)
