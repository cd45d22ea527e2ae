"""The progress of long work: a bar on a terminal and in a notebook, and a plain line now and then where neither is."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

EVERY = 10.0  # seconds between two lines
LINE = "{desc}: {percentage:.0f}% done after {elapsed}, about {remaining} left{postfix}"


class Lines:
    """A stream for tqdm that ends each of its states with a line feed, where a terminal would write over the one before."""

    def write(self, text: str) -> None:
        """Writes a state as a line; what only clears a line is dropped."""
        if text := text.strip():
            sys.stderr.write(f"{text}\n")

    def flush(self) -> None:
        """Hands on what was written."""
        sys.stderr.flush()


def bar(items: Iterable[Any] | None = None, **how: Any) -> "tqdm[Any]":
    """tqdm's bar for a loop or for work of a known `total`; `how` goes to tqdm.

    Off a terminal the first line comes after `EVERY` seconds, so that short work says nothing.
    """
    if sys.stderr.isatty() or in_notebook():
        return tqdm(items, **how)
    return tqdm(items, **how | {"file": Lines(), "mininterval": EVERY, "miniters": 1, "delay": EVERY, "bar_format": LINE})


def in_notebook() -> bool:
    """Whether this process runs the cells of a notebook, whose output shows a bar as a terminal does."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return type(shell).__name__ == "ZMQInteractiveShell"
