"""Tests whether a criterion agrees worse, or better, with the oracle than its baseline did, for `make regress`.

The test is a one-sided z test of the difference, new minus baseline, of a criterion's figure in a case. Differences are taken
within a seed, between figures of one network on the same examples, and averaged over seeds. The standard error within a seed
is the standard deviation of the difference over bootstrap draws of the examples, the same draws on both sides; seeds count as
independent. The nominal level is LEVEL for each criterion, case and figure, in each direction. A criterion that does not answer
per example is held fixed: only the oracle's examples are drawn for its interval.

Both sides use the same networks, the case's own, which are not a sample of others. So the spread between seeds is not counted
as error, and what makes a single seed worse is found as well. A difference below LEAST_DIFFERENCE never counts, however certain
it is: other processors round differently, and a few maps change places. If a figure is undefined at a site where the baseline
has one, the test fails whatever the other sites say.

The saliency of a criterion that takes magnitudes may have either sign. So a pair agreement that is certainly negative has to
stay as negative as it is: for it, worse means towards zero and beyond. A joint loss, in nats, is worse when it is higher. Where
none was measured now, as in a session of the pytest plugin, those of the baseline are not asked for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pruning_oracle.reports.regression.figures import FIGURES, JOINT, PAIRS, Figure, Figures

LEVEL = 0.001
LEAST_DIFFERENCE = 0.002
WIDTH = float(stats.norm.isf(LEVEL))  # half the interval, in standard errors: 3.09
INTERVAL = f"{100 * (1 - 2 * LEVEL):.1f} %"
NAN = float("nan")

WORSE, UNDEFINED, GONE = "worse", "undefined", "gone"
FAILING = (WORSE, UNDEFINED, GONE)
BETTER, NEW, SAME = "better", "new", "same"


@dataclass(frozen=True)
class Finding:
    """How one figure of a criterion on a case compares with its baseline; its numbers are means over seeds."""

    criterion: str
    case: str
    figure: str
    verdict: str
    expected: float = NAN
    got: float = NAN
    difference: float = NAN
    low: float = NAN
    high: float = NAN

    @property
    def fails(self) -> bool:
        """Whether it is a regression."""
        return self.verdict in FAILING

    @property
    def expected_said(self) -> str:
        """The baseline as text."""
        return _exact(self.expected)

    @property
    def got_said(self) -> str:
        """The new figure as text."""
        return _exact(self.got)

    @property
    def difference_said(self) -> str:
        """The difference with its interval as text; empty if there is none."""
        return "" if math.isnan(self.low) else f"{_signed(self.difference)} [{_signed(self.low)}, {_signed(self.high)}]"

    @property
    def line(self) -> str:
        """The finding in one line."""
        known = f"{self.criterion} on {self.case}: {self.figure} expected {self.expected_said}, got {self.got_said}"
        if self.verdict == GONE:
            return f"gone: {known}: there is no such criterion any more"
        if self.verdict == UNDEFINED:
            return (
                f"undefined: {known}: at a site that had one there is none (a constant ranking, or rows that are no examples)"
            )
        if self.verdict == NEW:
            return f"new: {known}"
        return f"{self.verdict}: {known}, difference {self.difference_said} ({INTERVAL} interval)"


def _exact(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def compare(case: str, before: Mapping[int, Figures], now: Mapping[int, Figures]) -> list[Finding]:
    """The finding for every figure of every criterion, over the seeds in `now`; `before` and `now` give figures by seed."""
    found = []
    asked = [name for name in FIGURES if name != JOINT or any(figure == JOINT for known in now.values() for _, figure in known)]
    for criterion in dict.fromkeys(name for figures in (*now.values(), *before.values()) for name, _ in figures):
        for figure in asked:
            old, new = (
                {seed: figures[seed][criterion, figure] for seed in now if (criterion, figure) in figures[seed]}
                for figures in (before, now)
            )
            both = old.keys() & new.keys()
            paired = [[one for seed, one in known.items() if not both or seed in both] for known in (old, new)]
            found.append(_finding(criterion, case, figure, *paired))
    return [finding for finding in found if finding is not None]


def _finding(criterion: str, case: str, figure: str, old: list[Figure], new: list[Figure]) -> Finding | None:
    """The finding from a figure at every seed, before and now; None if undefined on both sides, as a weight norm's pairs."""

    def finding(verdict: str, *numbers: float) -> Finding:
        return Finding(criterion, case, figure, verdict, _mean(old), _mean(new), *numbers)

    if not new:
        return finding(GONE) if _defined(old) else None
    if not _defined(old):
        return finding(NEW) if _defined(new) else None
    if any((~np.isnan(one.sites) & np.isnan(other.sites)).any() for one, other in zip(old, new, strict=True)):
        return finding(UNDEFINED)
    pairs = [(one, other) for one, other in zip(old, new, strict=True) if not math.isnan(one.value)]
    difference = float(np.mean([other.value - one.value for one, other in pairs]))
    error = _error([other.draws - one.draws for one, other in pairs])
    low, high = difference - WIDTH * error, difference + WIDTH * error
    negative = figure == PAIRS and _mean(old) + WIDTH * _error([one.draws for one, _ in pairs]) < 0
    turned = negative or figure == JOINT
    fallen, risen = high < 0 and difference < -LEAST_DIFFERENCE, low > 0 and difference > LEAST_DIFFERENCE
    verdict = (WORSE, BETTER)[turned] if fallen else (BETTER, WORSE)[turned] if risen else SAME
    return finding(verdict, difference, low, high)


def _error(draws: list[np.ndarray]) -> float:
    """Standard error of a mean over seeds, from one array of bootstrap draws per seed."""
    return math.sqrt(float(np.sum([np.nanvar(seed, ddof=1) for seed in draws]))) / len(draws)


def _defined(figures: list[Figure]) -> bool:
    return any(not math.isnan(figure.value) for figure in figures)


def _mean(figures: list[Figure]) -> float:
    """The mean over the seeds at which the figure is defined."""
    values = [figure.value for figure in figures if not math.isnan(figure.value)]
    return float(np.mean(values)) if values else NAN
