"""`python -m pruning_oracle` is the command `pruning-oracle`."""

from pruning_oracle.bench.errors import exit_with
from pruning_oracle.command_line.app import main

if __name__ == "__main__":
    exit_with(main)
