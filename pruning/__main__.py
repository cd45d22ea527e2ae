"""`python -m pruning_oracle.pruning CASE …` is `pruning-oracle prune CASE …`."""

from collections.abc import Sequence

from pruning_oracle.bench.errors import exit_with
from pruning_oracle.command_line import app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    app.main(app.after("prune", arguments))


if __name__ == "__main__":
    exit_with(main)
