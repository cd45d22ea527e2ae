"""Groups of options that commands take whole: which case, which examples, how it is computed.

What computes is imported where a value is asked for: `--help` must be there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pruning_oracle.command_line.options import (
    A_CASE,
    CASE,
    COMPUTING,
    EXAMPLES,
    REPAIR,
    RUNS,
    Cases,
    Data,
    Device,
    Jobs,
    Name,
    Runs,
    Seeds,
    Size,
    Strict,
    Weights,
    names_of_cases,
    number,
    option,
)

if TYPE_CHECKING:
    from pruning_oracle.bench.case import Case
    from pruning_oracle.pipeline.requests import Request


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
class RepairOptions:
    """After which repair the loss is taken once more, and how many examples that sees."""

    repair: Annotated[str, option("Take the loss once more after: bias, batchnorm, both.", REPAIR, show_default=True)] = "none"
    repair_examples: Annotated[
        int | None,
        number("--repair-examples", "EXAMPLES", "Others that it sees (default 256).", REPAIR, show_default=False),
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options by name, checked."""
        from pruning_oracle.bench.errors import BadInput, unknown
        from pruning_oracle.bench.repair.names import REPAIRS

        if self.repair not in REPAIRS:
            raise unknown("--repair", self.repair, REPAIRS)
        if self.repair_examples is not None and not REPAIRS[self.repair]:
            raise BadInput("--repair-examples is of a repair: --repair says which")
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


def texts(options: dict[str, Any]) -> dict[str, str]:
    """Options that were given, as the texts of a command line."""
    return {name.replace("_", "-"): str(value) for name, value in options.items() if value is not None}


def run_file(case: Case, file: str, out: Path | None) -> Path:
    """Where a command writes: `out`, or the run's own file under runs/."""
    from pruning_oracle.bench.runs import folder

    return out or folder(case.name, case.seed) / file
