"""The folder of the data sets, `DATA`, and the error for a data set that is missing there."""

import os
from pathlib import Path

from pruning_oracle.bench.errors import BadInput


def root() -> Path:
    """The data folder: environment variable `DATA`, else `../shared/data`."""
    return Path(os.environ.get("DATA", "../shared/data"))


def missing_data(what: str, expected: str, more: str = "") -> BadInput:
    """Returns (does not raise) the error for a missing data set: `what` it is, and which files are `expected`."""
    return BadInput(f"no {what} in {root()}: expected {expected} there, or set DATA{more and '; '}{more}")
