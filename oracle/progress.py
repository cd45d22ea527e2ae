"""How far a measurement is and how long the rest will take, from measured rates: a bar in a terminal, lines in a log."""

import logging
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pruning_oracle.bench.terminal import one_line

EVERY = 10.0  # seconds between two lines of the log
log = logging.getLogger("oracle")


class Progress:
    """Counts (example, removal) pairs; their cost differs between sites, so the remaining time is estimated site by site.

    `pairs` gives how many there are at each site, or of whatever else has a rate of its own. What a site takes once, to be
    planned, is no part of the rate of its pairs.
    """

    def __init__(self, name: str, pairs: Iterable[tuple[str, int]]) -> None:
        self.left: dict[str, int] = defaultdict(int)
        for rate, count in pairs:
            self.left[rate] += count
        self.total = sum(self.left.values())
        self.seconds: dict[str, float] = defaultdict(float)
        self.pairs: dict[str, int] = defaultdict(int)
        self.planning: dict[str, float] = defaultdict(float)
        self.start = self.said = time.monotonic()
        layout = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} pairs, {elapsed} gone{postfix}"
        self.bar = tqdm(total=self.total, desc=name, unit_scale=True, bar_format=layout, disable=None)

    def remaining(self) -> float:
        """Seconds left; what a site that is not measured yet will take is guessed by the mean of those that are."""
        mean = sum(self.seconds.values()) / sum(self.pairs.values())
        rate = {name: self.seconds[name] / self.pairs[name] if name in self.pairs else mean for name in self.left}
        planning = sum(self.planning.values()) / len(self.planning)
        unplanned = sum(left > 0 and name not in self.planning for name, left in self.left.items())
        return math.fsum(left * rate[name] for name, left in self.left.items()) + unplanned * planning

    def found(self, site: str, pairs: int) -> None:
        """Counts pairs of a site that were measured by an earlier run."""
        self.left[site] -= pairs
        self.bar.update(pairs)

    def measured(self, site: str, pairs: int, seconds: float, planning: float = 0.0) -> None:
        """Counts pairs of a site that took `seconds` to measure, after so many seconds of `planning` the site.

        Updates the bar and, now and then, the log.
        """
        self.left[site] -= pairs
        self.pairs[site] += pairs
        self.seconds[site] += seconds
        self.planning[site] += planning
        left, now = tqdm.format_interval(self.remaining()), time.monotonic()
        self.bar.set_postfix_str(f"{left} left", refresh=False)
        self.bar.update(pairs)
        if now - self.said >= EVERY:
            self.said = now
            done = self.total - sum(self.left.values())
            share = f"{done:,} of {self.total:,} pairs ({done / self.total:.0%})"
            log.info("%s, %s gone, %s left", share, tqdm.format_interval(now - self.start), left)


class _OneLine(logging.Formatter):
    """Writes each message as one line, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return one_line(super().format(record))


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Writes log messages to a file, and to standard error: all of them, or only warnings if a progress bar is shown."""
    logging.raiseExceptions = False  # a log that cannot be written must not stop a measurement
    lines, screen = logging.FileHandler(path, delay=True, encoding="utf-8"), logging.StreamHandler()
    lines.setFormatter(_OneLine("%(asctime)s pruning-oracle %(levelname)s %(message)s"))
    screen.setFormatter(_OneLine("%(message)s"))
    bar = sys.stderr.isatty() and "TQDM_DISABLE" not in os.environ
    screen.setLevel(logging.WARNING if bar else logging.INFO)
    log.setLevel(logging.INFO)
    log.addHandler(lines)
    log.addHandler(screen)
    try:
        with logging_redirect_tqdm([log]):
            yield
    finally:
        log.removeHandler(lines)
        log.removeHandler(screen)
        lines.close()
