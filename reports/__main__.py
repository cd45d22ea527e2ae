"""`python -m pruning_oracle.reports WHAT CASE …` is `pruning-oracle WHAT CASE …`, by the names that the commands had here."""

import sys
from collections.abc import Sequence

from pruning_oracle.bench.errors import exit_with
from pruning_oracle.command_line import app

CALLED = {"page": ["report"], "show": ["table"], "pruning": ["pruning-report"]}
CALLED |= {"regress": ["regress", "--measured"], "accept": ["accept", "--measured"]}  # here they only hold what is measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    first, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    app.main([*CALLED.get(first, [first]), *rest])


if __name__ == "__main__":
    exit_with(main)
