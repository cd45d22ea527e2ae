"""What measured pairs say of those that were not: per map an unbiased estimate with its interval, and a shrunk one.

A pair's change is what was believed of it before a round, plus a remainder. The sum of remainder ÷ probability over the pairs
that the round drew is an unbiased estimate of all remainders (Horvitz and Thompson 1952), whatever was believed. Rounds are
averaged, each by how many pairs were planned in it.

Pairs are drawn in proportion to `size`, and a few say little of how much the ratio of remainder to size varies, so each map's
variance is drawn towards that of its whole site, as if by `PRIOR` more pairs, and its kurtosis κ, as if by `SHAPE` more. A few
pairs lose far more than was predicted: the interval is Student's, bent by the site's skewness γ (Hall 1992); both are of ratios
over their own map's standard deviation. A variance from n pairs varies by σ⁴ (κ − 1)/n, that of n Gaussian ones by 2σ⁴/n: by
so much it has fewer degrees of freedom. Extremes are rare and seldom drawn, so that the few show less skewness than all have;
and what they do to the variance goes with what they do to the mean, which was bent already, so that those degrees are too few.
By how much is empirical: `SKEWED` and `CALIBRATED` were chosen by how often intervals hold on five networks.

For ranks a small bias is worth less noise: there a map's ratio is drawn towards the site's mean, the more so the less the maps'
ratios differ beyond their errors (empirical Bayes; Efron and Morris 1975). The magnitude of an unbiased estimate near 0 is
biased upward, so oracle_abs and ranks are taken from that shrunk estimate.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from pruning_oracle.oracle.estimated.site_sample import SiteSample

PRIOR, SHAPE = 6, 50  # pairs
SKEWED = 1.25  # times the skewness that shows
CALIBRATED, FEWEST = 2.0, 1.5  # times as many degrees of freedom, but so many at least


@dataclass(frozen=True)
class Estimates:
    """Per map of a site, in nats: an unbiased estimate of oracle_loss, its standard error, 95 % interval, and a shrunk one.

    The shrunk estimate, the mean of the changes with predictions where nothing was measured, has an error of its own.
    """

    unbiased: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shrunk: np.ndarray
    shrunk_error: np.ndarray
    freedom: np.ndarray  # degrees of freedom of both errors


@dataclass(frozen=True)
class Ratios:
    """Remainder ÷ size: per map its mean (drawn towards the site's), its variance and how many were drawn; and their shape."""

    mean: np.ndarray
    mean_error: np.ndarray
    variance: np.ndarray
    count: np.ndarray
    skewness: float
    kurtosis: np.ndarray  # 3 of a Gaussian

    @property
    def freedom(self) -> np.ndarray:
        """Degrees of freedom of each map's variance."""
        pairs, spread = np.maximum(self.count, 1) - 1 + PRIOR, np.maximum(self.kurtosis - 1, 2.0)
        return np.maximum(CALIBRATED * 2 * pairs / spread, FEWEST)


def ratios(sample: SiteSample) -> Ratios:
    """What the drawn pairs of a site say of the others."""
    ratio, count = sample.ratio, sample.drawn.sum(0)
    some, total = np.maximum(count, 1), max(int(count.sum()), 1)
    centre = ratio.sum() / total
    mean = np.where(count > 0, ratio.sum(0) / some, centre)
    apart = np.where(sample.drawn, ratio - mean, 0.0)
    within = (apart**2).sum() / max((some - 1).sum(), 1)  # a map's own mean takes away from the sum
    between = max(((count * (mean - centre) ** 2).sum() - within * (count > 0).sum()) / total, 0.0)
    trust = np.where(count > 0, between / (between + within / some + np.finfo(float).tiny), 0.0)
    variance = ((apart**2).sum(0) + PRIOR * within) / (some - 1 + PRIOR)
    # what is left to doubt of a map's own mean, and of the site's
    error = np.sqrt(trust * variance / some + (1 - trust) ** 2 * (between + within) / total)
    return Ratios(centre + trust * (mean - centre), error, variance, count, *_shape(apart, variance, count))


def _shape(apart: np.ndarray, variance: np.ndarray, count: np.ndarray) -> tuple[float, np.ndarray]:
    """Skewness of a site's ratios and kurtosis of every map's, each ratio over its map's standard deviation."""
    scaled = np.divide(apart, np.sqrt(variance), out=np.zeros(apart.shape), where=variance > 0)
    second, third, fourth = ((scaled**power).sum(0) for power in (2, 3, 4))
    total = max(int(count.sum()), 1)
    square = second.sum() / total or 1.0
    kurtosis = (fourth + SHAPE * fourth.sum() / total) / (count + SHAPE) / square**2
    return float(third.sum() / total / square**1.5), kurtosis


def filled(sample: SiteSample) -> np.ndarray:
    """The change of every pair, `[example, map]`: what was measured, and elsewhere the better prediction."""
    return np.where(sample.known, sample.change, sample.control.predicted + ratios(sample).mean * sample.control.size)


def estimates(sample: SiteSample) -> Estimates:
    """Means over the examples."""
    examples, found = len(sample.known), ratios(sample)
    left, some = sample.unknown, np.maximum(found.count, 1)
    shrunk = filled(sample).mean(0)
    shrunk_error = np.sqrt(found.mean_error**2 * left.sum(0) ** 2 + found.variance * (left**2).sum(0)) / examples
    weights = np.array([part.weight for part in sample.rounds])
    weights = weights / weights.sum()
    unbiased = sum(weight * part.total for weight, part in zip(weights, sample.rounds, strict=True)) / examples
    spread = sum(weight**2 * part.spread for weight, part in zip(weights, sample.rounds, strict=True))
    whole = sample.known.all(0)
    unbiased = np.where(whole, shrunk, unbiased)
    error = np.where(whole, 0.0, np.sqrt(spread * found.variance) / examples)
    # of the mean, γ/√n; and √(n (n − 1))/(n − 2) for that a variance which holds the extremes makes them look smaller
    skewness = SKEWED * found.skewness * np.sqrt(some - 1) / np.maximum(some - 2, 1)
    reach = np.asarray(special.stdtrit(found.freedom, 0.975))  # Student's, without the second that scipy.stats takes to import
    low, high = (unbiased - error * bent(far, skewness) for far in (reach, -reach))
    return Estimates(unbiased, error, low, high, shrunk, shrunk_error, found.freedom)


def bent(reach: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """How many errors a mean of that skewness lies above what it estimates, where one without would by `reach` (Hall 1992)."""
    skewness = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)
    return 3 / skewness * (np.cbrt(1 + skewness * (reach - skewness / 6)) - 1)


def magnitudes(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of oracle_abs from that of oracle_loss: from 0 where that holds 0."""
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return least, np.maximum(np.abs(low), np.abs(high))
