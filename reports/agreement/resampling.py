"""Scores of resampled examples, and the intervals that follow from how they vary."""

import functools
from typing import Any

import numpy as np

from pruning_oracle.bench.scores import Scores

RESAMPLES = 500
FRESH = 1_000_003  # added to the seed: fresh examples are drawn on their own, shared ones as the oracle's


@functools.lru_cache(maxsize=4)
def draws(examples: int, seed: int) -> np.ndarray:
    """Bootstrap weights `[resample, example]`: how often each example is drawn, divided by how many are."""
    return np.random.default_rng(seed).multinomial(examples, np.full(examples, 1 / examples), RESAMPLES) / examples


def reduce(reduction: Any, matrices: Scores, weights: np.ndarray | None = None, errors: Scores | None = None) -> Scores:
    """Scores of saliencies, one matrix per site; with weights, one row of scores per resample.

    `errors` are standard errors of estimated means over the very examples, `[map]`: each resample is off by a draw of them.
    """
    if weights is None:
        return [reduction(matrix) for matrix in matrices]
    if errors is not None and any(error.any() for error in errors):
        off = noise(errors, len(weights))
        means = [weights @ reduction.before(matrix) for matrix in matrices]
        return [reduction.after(mean + draw) for mean, draw in zip(means, off, strict=True)]
    return [
        reduction.after(_first(weights, len(matrix)) @ reduction.before(matrix)) if len(matrix) > 1 else reduction(matrix)[None]
        for matrix in matrices
    ]


def noise(errors: Scores, rows: int) -> Scores:
    """Draws of what estimated means may be off by, one matrix `[draw, map]` per site; 0 where there is no error."""
    random = np.random.default_rng(2)
    return [error * random.standard_normal((rows, len(error))) for error in errors]


def _first(weights: np.ndarray, examples: int) -> np.ndarray:
    """Bootstrap weights of a saliency that speaks of the first examples only."""
    part = weights[:, :examples]
    return part if examples == weights.shape[1] else part / np.maximum(part.sum(1, keepdims=True), 1e-12)


def interval(value: float, resampled: np.ndarray, maps: int) -> tuple[float, float]:
    """95 % interval around a Spearman of so many maps from its resamples, on Fisher's z scale.

    Perfect agreement is infinite on that scale; it counts as half way to the next possible value.
    """
    if np.isnan(value) or np.isnan(resampled).all():
        return float("nan"), float("nan")
    limit = 1 - 6 / (maps * (maps**2 - 1))
    centre = np.arctanh(np.clip(value, -limit, limit))
    error = float(np.nanstd(np.arctanh(np.clip(resampled, -limit, limit)), ddof=1))
    low, high = np.tanh([centre - 1.96 * error, centre + 1.96 * error])
    return min(float(low), value), max(float(high), value)
