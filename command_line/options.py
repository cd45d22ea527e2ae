"""The options that several commands share, each typed and described once; a dataclass is a group that commands take whole.

Nothing here imports what computes: `--help` must be there at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pruning_oracle.bench.terminal import one_line

if TYPE_CHECKING:
    from pruning_oracle.bench.case import Case
    from pruning_oracle.pipeline.requests import Request

RUNS, REPORT = Path("runs"), Path("report")
PLACE = Path(__file__).parents[1]
CASE, LIBRARY, EXAMPLES, COMPUTING, OUTPUT = (
    "The case",
    "A network of torchvision or timm",
    "Training examples",
    "How it is computed",
    "Output",
)
A_CASE = "A case's name, a .py file with one function marked @case, or torchvision:NAME or timm:NAME."


def reader(name: str, bounds: str) -> Callable[[Any], Any]:
    """What reads a number of an option within bounds, those of that name in `bench/runs/bounds.py`, which is imported then."""

    def read(value: Any) -> Any:
        found = getattr(importlib.import_module("pruning_oracle.bench.runs.bounds"), bounds)
        return found.read(name, value) if isinstance(value, str) else value

    return read


def number(name: str, bounds: str, text: str, panel: str = "Options", **more: Any) -> Any:
    """An option of that name with a number within bounds."""
    return typer.Option(name, parser=reader(name, bounds), help=text, rich_help_panel=panel, metavar="N", **more)


def option(text: str, panel: str = "Options", **more: Any) -> Any:
    """An option with a text or a path."""
    return typer.Option(help=text, rich_help_panel=panel, **({"show_default": False} | more))


def switch(name: str, text: str, panel: str = "Options") -> Any:
    """An option without a value."""
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False)


def names_of_cases(incomplete: str) -> list[str]:
    """The suite's cases that begin so, for the shell's completion."""
    names = [file.stem.replace("_", "-") for file in sorted((PLACE / "bench/cases").glob("[a-z]*.py"))]
    return [name for name in names if name.startswith(incomplete)]


Cases = Annotated[list[str], typer.Argument(metavar="CASE", help=A_CASE, show_default=False, autocompletion=names_of_cases)]
Seeds = Annotated[list[int], number("--seeds", "SEED", "Which of a case's trained networks, such as 0 1 2.", CASE)]
Runs = Annotated[Path, option("The folder of the run files.", OUTPUT, show_default=True)]
ReportFolder = Annotated[Path, option("The folder of the report.", OUTPUT, show_default=True)]
Device = Annotated[str, option("auto, cpu, or what torch calls it: cuda, cuda:1, mps, …", COMPUTING, show_default=True)]
Strict = Annotated[bool, switch("--strict", "An example that cannot be read is an error, not left out.", CASE)]
Jobs = Annotated[
    int | None, number("--jobs", "JOBS", "Runs made at a time (default 2, or 1 on a GPU).", COMPUTING, show_default=False)
]
Data = Annotated[str | None, option("Its examples: imagefolder:PATH, npz:PATH, videofolder:PATH.", LIBRARY)]
Weights = Annotated[Path | None, option("Its weights (default: those that `train` made of it).", LIBRARY)]
Size = Annotated[
    int | None, number("--size", "PIXELS", "Pixels of the square it sees (default: as published).", LIBRARY, show_default=False)
]
Name = Annotated[str | None, option("What the run is called (default: after network and data).", LIBRARY)]
Network = Annotated[Path, typer.Argument(metavar="NETWORK", help="A .network file that `prune` wrote.", show_default=False)]
Source = Annotated[
    str | None, option("The case, if it is your own: a .py file, or torchvision:NAME --data … in one word.", CASE)
]


@dataclass(frozen=True)
class CaseOptions:
    """Which case is meant."""

    case: Annotated[str, typer.Argument(metavar="CASE", help=A_CASE, show_default=False, autocompletion=names_of_cases)]
    seed: Annotated[int, number("--seed", "SEED", "Which trained network, and which examples.", CASE)] = 0
    strict: Strict = False
    data: Data = None
    weights: Weights = None
    size: Size = None
    name: Name = None

    @property
    def line(self) -> str:
        """The case in one line, as `find` takes it."""
        from pruning_oracle.bench.loading.case_line import case_line

        if self.strict:
            from pruning_oracle.bench.data.reading import unreadable

            unreadable.be_strict()
        return case_line(self.case, data=self.data, weights=self.weights, size=self.size, name=self.name)

    def load(self) -> Case:
        """The case."""
        from pruning_oracle.bench.loading.load import load

        return load(self.line, self.seed)


@dataclass(frozen=True)
class CasesOptions:
    """Which cases are meant, and which of their trained networks."""

    cases: Cases
    seeds: Seeds = field(default_factory=lambda: [0])
    strict: Strict = False
    data: Data = None
    weights: Weights = None
    size: Size = None
    name: Name = None
    jobs: Jobs = None

    def request(
        self,
        device: str,
        criteria: Sequence[str] | None = None,
        oracle: dict[str, str] | None = None,
        both: dict[str, str] | None = None,
    ) -> Request:
        """What the pipeline is asked for, checked: a slip in a name must not show only after an oracle is measured.

        `oracle` has options of the oracle alone, `both` those of oracle and criteria.
        """
        from pruning_oracle.bench.loading.case_line import case_line
        from pruning_oracle.bench.runs.options import each_once
        from pruning_oracle.pipeline import requests, run

        each_once("--seeds", self.seeds)
        if criteria:
            from pruning_oracle.criteria.criterion import choose_criteria

            choose_criteria(criteria)
        options = {"data": self.data, "weights": self.weights, "size": self.size, "name": self.name}
        named = requests.named_cases([case_line(case, **options) for case in self.cases])
        jobs, chosen = self.jobs or run.usual_jobs(device), tuple(criteria or ())
        return requests.Request(named, self.seeds, jobs, device, self.strict, chosen, oracle or {}, both or {})


@dataclass(frozen=True)
class RunsOptions:
    """Which measured runs are meant."""

    cases: Cases
    seeds: Seeds = field(default_factory=lambda: [0])
    runs: Runs = RUNS

    @property
    def names(self) -> list[str]:
        """The names of the cases, of which some are given as files; BadInput for one, or a seed, named twice."""
        from pruning_oracle.bench.runs.options import each_once
        from pruning_oracle.reports.report import names_of

        each_once("--seeds", self.seeds)
        return names_of(self.cases)


@dataclass(frozen=True)
class ExampleOptions:
    """Which training examples are the oracle's own (shared), and which are fresh; give oracle and criteria the same."""

    examples: Annotated[
        int | None,
        number(
            "--examples", "EXAMPLES", "How many are the oracle's own (default: as the case says).", EXAMPLES, show_default=False
        ),
    ] = None
    rows: Annotated[str | None, option("Which are: a file of row numbers, or 0:100,200.", EXAMPLES, metavar="ROWS")] = None
    fresh: Annotated[
        str | None, option("How many fresh ones, or rest (default: as many as shared).", EXAMPLES, metavar="N")
    ] = None
    sample_seed: Annotated[
        int | None, number("--sample-seed", "SEED", "What they are drawn from (default: --seed).", EXAMPLES, show_default=False)
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options by name, checked; where there are none, torch need not be imported."""
        if self != ExampleOptions():
            from pruning_oracle.bench.loading.choice import choice_from

            choice_from(*vars(self).values())
        return vars(self)


@dataclass(frozen=True)
class ComputingOptions:
    """Where and how it is computed."""

    device: Device = "auto"
    precision: Annotated[
        str, option("float64, float32, tf32 (on an NVIDIA GPU) or bfloat16.", COMPUTING, show_default=True)
    ] = "float32"
    batch: Annotated[
        int | None,
        number(
            "--batch", "BATCH", "Examples per pass (default: what half of the memory holds).", COMPUTING, show_default=False
        ),
    ] = None
    memory: Annotated[
        str | None, option("What activations may take (default 4GiB, or half of a GPU's memory).", COMPUTING, metavar="SIZE")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options by name, checked; where there is none but a device, torch need not be imported."""
        if self != ComputingOptions(self.device):
            from pruning_oracle.bench.network.memory import bytes_of
            from pruning_oracle.bench.setting import Resources

            Resources(**vars(self) | {"memory": bytes_of(self.memory)})
        return vars(self)


@dataclass(frozen=True)
class GoalOptions:
    """How much of an oracle is measured, and how much estimated."""

    budget: Annotated[str | None, option("Estimate: measure a share of the pairs, 0.05, or for so long, 60s.")] = None
    until: Annotated[str | None, option("Estimate until spearman=0.98 is likely, or intervals have width=0.01 nats.")] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options by name, checked."""
        if self != GoalOptions():
            from pruning_oracle.oracle.estimated.goal import Goal

            Goal.parse(self.budget, self.until)
        return vars(self)


def run_file(case: Case, file: str, out: Path | None) -> Path:
    """Where a command writes: `out`, or the run's own file under runs/."""
    from pruning_oracle.bench.runs import folder

    return out or folder(case.name, case.seed) / file


def texts(options: dict[str, Any]) -> dict[str, str]:
    """Options that were given, as the texts of a command line."""
    return {name.replace("_", "-"): str(value) for name, value in options.items() if value is not None}


def told(text: str) -> None:
    """Prints a line, whatever is in it."""
    print(one_line(text))
