"""Where data lie: the folder `DATA`, and words for what should be in it."""

import os
from pathlib import Path

from pruning_oracle.bench.errors import BadInput


def root() -> Path:
    """The data folder: environment variable `DATA`, else `../shared/data`."""
    return Path(os.environ.get("DATA", "../shared/data"))


def missing_data(what: str, expected: str, more: str = "") -> BadInput:
    """The error for a data set that is not there."""
    return BadInput(f"no {what} in {root()}: expected {expected} there, or set DATA{more and '; '}{more}")
