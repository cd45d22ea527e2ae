"""Which training examples are the oracle's own and which are fresh: the choice that everything that measures takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.bounds import EXAMPLES, SEED

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


def choice_from(
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    fresh: int | str | None = None,
    seed: int | None = None,
) -> ExampleChoice:
    """The choice that these values make; BadInput for numbers out of bounds, or if examples and rows are both given."""
    if examples is not None and rows is not None:
        raise BadInput("give either --examples or --rows: both say which examples are the oracle's own")
    if examples is not None:
        EXAMPLES.check("--examples", examples)
    if isinstance(fresh, str):
        fresh = parse_fresh(fresh)
    if fresh is not None:
        EXAMPLES.check("--fresh", fresh)
    if seed is not None:
        SEED.check("--sample-seed", seed)
    chosen = parse_rows(rows) if isinstance(rows, str) else tuple(map(int, rows)) if rows is not None else None
    return ExampleChoice(examples, chosen, fresh, seed)


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


def parse_fresh(text: str) -> int:
    """How many fresh examples a text asks for: a number, or `rest`, all that are left."""
    return int(EXAMPLES.most) if text == REST else int(EXAMPLES.read("--fresh", text))
