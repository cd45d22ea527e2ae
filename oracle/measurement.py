"""One measurement of a case into one run file: its setting, what was measured before, the facts about it, and its units."""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.fill_choice import with_fill
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.fills import prepared
from pruning_oracle.bench.runs.kinds import LOG
from pruning_oracle.bench.setting import (
    Finished,
    Resources,
    fingerprint,
    finished_before,
    network_facts,
    open_for_measuring,
)
from pruning_oracle.oracle.least import least_bytes
from pruning_oracle.oracle.progress import logged
from pruning_oracle.oracle.resume import Units

WHAT = {"oracle": "oracle", "sets": "joint loss"}  # what a file of each kind holds of an example


@dataclass(frozen=True)
class Measurement:
    """What is about to be measured, on which rows of the training set, and the setting that its numbers depend on."""

    case: Case
    out: Path
    kind: str  # of the run file
    rows: list[int]
    setting: dict[str, Any]
    limited: bool  # whether the user gave the memory that may be held

    @property
    def batch(self) -> int:
        """Examples per pass."""
        return int(self.setting["batch"])

    @property
    def held(self) -> int:
        """Bytes that may be held beyond the model."""
        return int(self.setting["memory"])

    def before(self) -> Finished | None:
        """The file as it is, if it is what this measurement would make; else None."""
        before = finished_before(self.out, self.kind, self.setting)
        if before:
            Units(self.out, self.setting).discard()
        return before

    def filled(self) -> "Measurement":
        """The same with all that the case's fill needs; BadInput, which names a gate, if that is unavailable."""
        return dataclasses.replace(self, case=prepared(self.case, self.rows, self.batch))

    def facts(self) -> dict[str, Any]:
        """The facts that are known before anything is measured, among them the loss on the test set.

        Raises BadInput if the memory that may be held does not suffice, or if the log cannot be written.
        """
        what = f"{self.case.name}: one example's {WHAT[self.kind]}"
        memory.check_least(self.held, self.limited, least_bytes(self.case, self.setting["engine"]), what)
        facts = self.setting | network_facts(self.case) | {"setting": runs.stamp(self.setting)}
        runs.check_writable(self._log, LOG)
        loss, accuracy = evaluate(self.case, self.case.test, range(len(self.case.test)), self.batch)
        return facts | {"test": {"loss": loss, "accuracy": accuracy, "examples": len(self.case.test)}}

    @contextmanager
    def units(self) -> Iterator[Units]:
        """Holds the units of this measurement and writes its log inside the block."""
        with logged(self._log), Units(self.out, self.setting).hold() as units:
            yield units

    def save(self, arrays: runs.Arrays, facts: dict[str, Any]) -> Finished:
        """Writes the run file, with `facts` and those of the process."""
        facts = facts | runs.provenance()
        runs.save(self.out, self.kind, arrays, facts)
        return Finished(self.out, facts, False)

    @property
    def _log(self) -> Path:
        return runs.beside(self.out, ".log")


def opened(
    case: Case,
    out: Path,
    kind: str,
    choice: ExampleChoice,
    resources: Resources,
    sources: Iterable[str],
    asked: dict[str, Any],
    fill: str,
) -> Measurement:
    """Opens a case to be measured into `out`, on the shared examples of `choice`, with a `fill` in place of what is removed.

    `sources` are the modules whose code determines the numbers, and `asked` is what else the setting holds, among it the name
    of the `engine`.
    """
    rows = choice.split(case)[0]
    case = with_fill(case, fill, choice)
    found = open_for_measuring(case, out, runs.run_file(kind), resources, sources)
    setting = found.setting | asked | choice.facts(case) | {"examples": len(rows), "data": fingerprint(case.train, rows)}
    return Measurement(found.case, out, kind, rows, setting, resources.memory is not None)
