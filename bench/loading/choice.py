"""Which training examples are the oracle's own and which are fresh, as options of every command that measures."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.bounds import EXAMPLES, SEED
from pruning_oracle.bench.runs.options import add_number

REST = "rest"  # --fresh rest: every example that is not shared
LONGEST, MOST = 2**26, 10**7  # bytes of a file of rows, and rows
ALLOWED = "a file of row numbers, or ranges a:b (from a to before b) and numbers, such as 0:100,200"  # at most MOST


@dataclass(frozen=True)
class ExampleChoice:
    """The choice of examples that a command was given; what is None is left to the case."""

    examples: int | None = None
    rows: tuple[int, ...] | None = None
    fresh: int | None = None  # how many fresh ones, or all that are left of them
    seed: int | None = None  # of the draw; the case's own seed also says which network it is

    def split(self, case: Case) -> tuple[list[int], list[int]]:
        """The rows of the shared and of the fresh examples (see `Case.split`)."""
        return case.split(self.examples, rows=self.rows, fresh=self.fresh, seed=self.seed)

    def facts(self, case: Case) -> dict[str, Any]:
        """What a run file says of the choice, beside the rows themselves."""
        return {"chosen": "by rows" if self.rows else "by draw", "sample seed": case.seed if self.seed is None else self.seed}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose examples."""
    group = parser.add_argument_group("training examples (default: as many as the case says, drawn from --seed)")
    which = group.add_mutually_exclusive_group()
    add_number(which, "--examples", EXAMPLES, "how many are the oracle's own (shared)")
    which.add_argument("--rows", type=parse_rows, metavar="ROWS", help=f"which are the oracle's own: {ALLOWED}")
    group.add_argument("--fresh", type=_fresh, metavar="N", help=f"how many fresh ones, or {REST} (default: as many as shared)")
    add_number(group, "--sample-seed", SEED, "what they and estimated oracles' pairs are drawn from (default: --seed)")


def choice_of(given: argparse.Namespace) -> ExampleChoice:
    """The choice that the options make."""
    return ExampleChoice(given.examples, given.rows, given.fresh, given.sample_seed)


def parse_rows(text: str) -> tuple[int, ...]:
    """The rows that a text or the file of that name lists, each once; BadInput for anything else."""
    path, where = Path(text), f"--rows {text!a}"
    if not re.fullmatch(r"[\d:,]+", text, re.ASCII):
        try:
            if not path.is_file():
                raise BadInput(f"{where}: there is no such file; allowed is {ALLOWED}")
            if path.stat().st_size > LONGEST:
                raise BadInput(f"{where} has {path.stat().st_size:,} bytes; a file of rows has at most {LONGEST:,}")
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{where} cannot be read as text ({type(error).__name__}); allowed is {ALLOWED}") from error
    found: list[int] = []
    for word in re.split(r"[\s,]+", text.strip()):
        part = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", word, re.ASCII)
        rows = range(int(part[1]), int(part[2] or int(part[1]) + 1)) if part else range(0)
        if not rows or len(found) + len(rows) > MOST:
            raise BadInput(f"{where} holds {word[:40]!a}; allowed is {ALLOWED}")
        found += rows
    if len(set(found)) < len(found):
        first = next(row for place, row in enumerate(sorted(found)) if row == sorted(found)[place + 1])
        raise BadInput(f"{where} names row {first} twice; allowed is each once")
    return tuple(sorted(found))


def _fresh(text: str) -> int:
    return int(EXAMPLES.most) if text == REST else int(EXAMPLES.read("--fresh", text))
