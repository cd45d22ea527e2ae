"""Estimates each map's mean change from its measured pairs: an unbiased estimate with its interval, and a shrunk one.

A pair's change is its prediction before a round plus a remainder. The sum of remainder ÷ probability over the pairs that the
round drew is an unbiased estimate of the sum of all remainders, whatever the prediction (Horvitz and Thompson 1952). Rounds
are averaged, each weighted by the number of pairs planned in it.

Pairs are drawn in proportion to `size`. A few pairs say little about how much the ratio of remainder to size varies, so each
map's variance is pulled towards that of its whole site, as if by `PRIOR` more pairs, and its kurtosis κ, as if by `SHAPE` more.
A few pairs lose far more than was predicted, so the interval is Student's, bent by the site's skewness γ (Hall 1992); κ and γ
are those of ratios divided by their own map's standard deviation. A variance estimated from n pairs itself has the variance
σ⁴ (κ − 1)/n, one from n Gaussian values 2σ⁴/n: its degrees of freedom are fewer by the quotient of the two. Extremes are rare
and seldom drawn, so the drawn pairs show less skewness than all pairs have; and an extreme moves the variance together with the
mean, which the bending already accounts for, so these degrees of freedom are too few. By how much is empirical: `SKEWED` and
`CALIBRATED` were chosen by how often intervals contain the truth on five networks.

For ranks, less noise is worth a small bias: each map's ratio is pulled towards the site's mean, the more so the less the maps'
ratios differ beyond their errors (empirical Bayes; Efron and Morris 1975). The magnitude of an unbiased estimate near 0 is
biased upward, so oracle_abs and ranks are taken from the shrunk estimate.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from pruning_oracle.oracle.estimated.site_sample import SiteSample

PRIOR, SHAPE = 6, 50  # pairs that the site counts as in the variance and in the kurtosis of each map
SKEWED = 1.25  # the skewness is taken to be this many times that of the drawn pairs
CALIBRATED, FEWEST = 2.0, 1.5  # factor on the degrees of freedom, and the fewest allowed


@dataclass(frozen=True)
class Estimates:
    """Two estimates of oracle_loss for each map of a site, `[map]` in nats, and their errors.

    `unbiased` has the standard error `error` and the 95 % interval from `low` to `high`. `shrunk` is the mean of the changes,
    with predictions where nothing was measured, and has the standard error `shrunk_error`.
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
    """Statistics of the ratio remainder ÷ size at one site, `[map]`; `skewness` is that of the whole site.

    `mean` is pulled towards the site's mean and has the standard error `mean_error`; `count` is how many pairs were drawn.
    """

    mean: np.ndarray
    mean_error: np.ndarray
    variance: np.ndarray
    count: np.ndarray
    skewness: float
    kurtosis: np.ndarray  # 3 for a Gaussian

    @property
    def freedom(self) -> np.ndarray:
        """Degrees of freedom of each map's variance, `[map]`."""
        pairs, spread = np.maximum(self.count, 1) - 1 + PRIOR, np.maximum(self.kurtosis - 1, 2.0)
        return np.maximum(CALIBRATED * 2 * pairs / spread, FEWEST)


def ratios(sample: SiteSample) -> Ratios:
    """Statistics of the ratio remainder ÷ size at a site, estimated from the pairs drawn so far."""
    ratio, count = sample.ratio, sample.drawn.sum(0)
    some, total = np.maximum(count, 1), max(int(count.sum()), 1)
    centre = ratio.sum() / total
    mean = np.where(count > 0, ratio.sum(0) / some, centre)
    apart = np.where(sample.drawn, ratio - mean, 0.0)
    within = (apart**2).sum() / max((some - 1).sum(), 1)  # − 1: each map's mean comes from the same pairs
    between = max(((count * (mean - centre) ** 2).sum() - within * (count > 0).sum()) / total, 0.0)
    trust = np.where(count > 0, between / (between + within / some + np.finfo(float).tiny), 0.0)
    variance = ((apart**2).sum(0) + PRIOR * within) / (some - 1 + PRIOR)
    # the uncertainty of the map's own mean, and of the site's
    error = np.sqrt(trust * variance / some + (1 - trust) ** 2 * (between + within) / total)
    return Ratios(centre + trust * (mean - centre), error, variance, count, *_shape(apart, variance, count))


def _shape(apart: np.ndarray, variance: np.ndarray, count: np.ndarray) -> tuple[float, np.ndarray]:
    """Skewness of a site's ratios and kurtosis of every map's, each ratio divided by its map's standard deviation."""
    scaled = np.divide(apart, np.sqrt(variance), out=np.zeros(apart.shape), where=variance > 0)
    second, third, fourth = ((scaled**power).sum(0) for power in (2, 3, 4))
    total = max(int(count.sum()), 1)
    square = second.sum() / total or 1.0
    kurtosis = (fourth + SHAPE * fourth.sum() / total) / (count + SHAPE) / square**2
    return float(third.sum() / total / square**1.5), kurtosis


def filled(sample: SiteSample) -> np.ndarray:
    """The change of every pair, `[example, map]`, in nats: as measured, elsewhere the prediction plus the mean ratio × size."""
    return np.where(sample.known, sample.change, sample.prediction.predicted + ratios(sample).mean * sample.prediction.size)


def estimates(sample: SiteSample) -> Estimates:
    """Each map's estimates from the rounds so far; if all pairs of a map are known, their mean with an error of 0."""
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
    # a mean of n has the skewness γ/√n; √(n (n − 1))/(n − 2) makes up for the variance containing the extremes, which makes
    # them look smaller
    skewness = SKEWED * found.skewness * np.sqrt(some - 1) / np.maximum(some - 2, 1)
    reach = np.asarray(special.stdtrit(found.freedom, 0.975))  # Student's quantile; scipy.stats takes a second to import
    low, high = (unbiased - error * bent(far, skewness) for far in (reach, -reach))
    return Estimates(unbiased, error, low, high, shrunk, shrunk_error, found.freedom)


def bent(reach: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Corrects `reach`, a quantile of a mean's error in standard errors, for the skewness of the mean (Hall 1992)."""
    skewness = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness)
    return 3 / skewness * (np.cbrt(1 + skewness * (reach - skewness / 6)) - 1)


def magnitudes(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of oracle_abs from those of oracle_loss; they start at 0 where the latter contain 0."""
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return least, np.maximum(np.abs(low), np.abs(high))
