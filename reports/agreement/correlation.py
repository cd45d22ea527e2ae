"""Rank correlations: Spearman and Kendall of scores, and their mean over sites."""

import numpy as np
from scipy import stats

MANY = 2048  # maps, beyond which all pairs at once take more memory than sorting
LEAST = 3  # a rank correlation of fewer maps says nothing


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman along the last axis; ties share ranks, a constant or too short ranking gives NaN."""
    return correlate(standard_ranks(first), standard_ranks(second))


def correlate(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman of what `standard_ranks` gives: ranks of many resamples are expensive, and each is compared more than once."""
    if first.shape[-1] < LEAST:
        return np.full(np.broadcast_shapes(first.shape[:-1], second.shape[:-1]), np.nan)
    return (first * second).sum(-1)


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis with mean 0 and length 1; a constant gives NaN."""
    ranks = stats.rankdata(values, axis=-1)
    ranks -= ranks.mean(-1, keepdims=True)
    length = np.sqrt((ranks**2).sum(-1, keepdims=True))
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0)


def kendall(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's τ-b of two score vectors."""
    if len(first) < LEAST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    if len(first) > MANY:
        return float(stats.kendalltau(first, second).statistic)
    signs = [np.sign(values[:, None] - values).astype(np.int8) for values in (first, second)]
    concordant = int((signs[0] * signs[1]).sum(dtype=np.int64))  # less the discordant, each pair twice
    untied = [np.sqrt(np.count_nonzero(sign) // 2) for sign in signs]
    return float(np.clip(concordant // 2 / untied[0] / untied[1], -1, 1))


def mean_over_sites(values: list[np.ndarray]) -> np.ndarray:
    """Mean of the within-site agreements over the sites where it is defined."""
    stacked = np.stack(np.broadcast_arrays(*values))
    defined = ~np.isnan(stacked)
    total = np.where(defined, stacked, 0).sum(0)
    return np.divide(total, defined.sum(0), out=np.full(total.shape, np.nan), where=defined.any(0))
