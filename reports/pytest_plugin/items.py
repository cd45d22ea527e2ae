"""The tests that the pytest plugin adds: one criterion on one case against its baseline. Heavy imports wait until one runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pruning_oracle.reports.pytest_plugin.measuring import Work
    from pruning_oracle.reports.regression.regress import MeasuredFigures

SAID = "pruning-oracle"  # key of a test's findings for the terminal summary, and of the session's folder for pytest-xdist


@dataclass(frozen=True)
class SessionPlan:
    """What a session measures, the baselines that it tests against or writes, and what it has measured so far."""

    criteria: Path
    cases: list[str]
    seeds: list[int]
    examples: int | None
    baselines: Path
    reason: str | None  # for accepting new baselines; None to test against the old ones
    how: str  # the command that accepts new baselines
    cache: Path
    folder: Path
    workers: int
    measured: dict[str, MeasuredFigures] = field(default_factory=dict)

    def work(self) -> Work:
        """The part of the plan that `measuring.py` needs."""
        from pruning_oracle.reports.pytest_plugin.measuring import Work  # noqa: PLC0415 (heavy)

        return Work(self.criteria, self.cases, self.seeds, self.examples, self.cache, self.folder, self.workers)

    def case(self, case: str) -> MeasuredFigures:
        """The runs of a case; the first call measures the runs of all cases."""
        from pruning_oracle.reports.regression.regress import measured_figures  # noqa: PLC0415 (heavy)

        if not self.measured:
            self.work().measure()
        if case not in self.measured:
            self.measured[case] = measured_figures(case, self.seeds, self.folder)
        return self.measured[case]


PLAN = pytest.StashKey[SessionPlan]()


class Regression(Exception):  # noqa: N818 (a verdict, not the program's error)
    """A criterion fails its baselines; the message has a line for each figure, and the command that accepts new baselines."""


class CriteriaFile(pytest.File):
    """A user's file of criteria, parsed and not imported: an import would load torch into every process of pytest."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yields a test per criterion and case, and one per case for its baselines as a whole."""
        try:
            found = marked(ast.parse(self.path.read_bytes(), str(self.path)))
        except SyntaxError as error:
            raise self.CollectError(f"{self.path}, line {error.lineno}: SyntaxError: {error.msg}") from error
        if not found:
            raise self.CollectError(f"{self.path} holds no function marked @criterion")
        for case in self.config.stash[PLAN].cases:
            for criterion, line in found.items():
                yield CriterionItem.from_parent(self, name=f"{criterion}[{case}]", case=case, criterion=criterion, line=line)
            yield BaselinesItem.from_parent(self, name=f"baselines[{case}]", case=case, criterion="", line=0)


def marked(module: ast.Module) -> dict[str, int]:
    """The names of the functions marked @criterion, with their line numbers counted from 0."""
    return {
        part.name: part.lineno - 1
        for part in ast.walk(module)
        if isinstance(part, ast.FunctionDef) and any(map(_is_criterion, part.decorator_list))
    }


def _is_criterion(mark: ast.expr) -> bool:
    name = mark.func if isinstance(mark, ast.Call) else mark
    return "criterion" in (getattr(name, "id", None), getattr(name, "attr", None))


class CriterionItem(pytest.Item):
    """The test of one criterion on one case."""

    def __init__(self, *, case: str, criterion: str, line: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.case, self.criterion, self.line = case, criterion, line
        self.plan = self.config.stash[PLAN]

    def runtest(self) -> None:
        """Measures the runs if no test has done so, and compares them with the baseline or makes them the baseline."""
        from pruning_oracle.reports.regression.regress import accept, findings  # noqa: PLC0415 (heavy)

        measured_figures = self.plan.case(self.case)
        self.say(self.plan.work().measured_oracles(self.case))
        if self.plan.reason is not None:
            with self.plan.work().alone(f"accept-{self.case}"):
                changes = accept(measured_figures, self.plan.baselines, self.plan.reason, self.concerned(measured_figures))
            self.say(change.line for change in changes)
            return
        concerned = self.concerned(measured_figures)
        found = [one for one in findings(measured_figures, self.plan.baselines, self.plan.how) if one.criterion in concerned]
        self.say(finding.line for finding in found)
        if failed := [finding.line for finding in found if finding.fails or finding.verdict == "new"]:
            raise Regression("\n".join([*failed, f"to accept: {self.plan.how}"]))

    def concerned(self, measured: MeasuredFigures) -> set[str]:
        """The criteria that this test is about."""
        return {self.criterion}

    def say(self, lines: Iterable[str]) -> None:
        """Passes lines to the terminal summary, which prints each once."""
        self.user_properties.extend((SAID, line) for line in lines)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone for a regression or a user's mistake, and a traceback for any other error."""
        from pruning_oracle.bench.errors import BadInput  # noqa: PLC0415 (only where a test fails)

        return str(excinfo.value) if isinstance(excinfo.value, (Regression, BadInput)) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file and line of the criterion, and the name of the test."""
        return self.path, self.line, self.name


class BaselinesItem(CriterionItem):
    """The test of a case's baselines as a whole: it fails if one belongs to a criterion that the file no longer has."""

    def concerned(self, measured: MeasuredFigures) -> set[str]:
        """The criteria that have a baseline and are no longer in the file."""
        from pruning_oracle.reports.regression.regress import gone  # noqa: PLC0415 (heavy)

        return gone(measured, self.plan.baselines)
