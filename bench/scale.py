"""Scalings: what makes scores of different sites comparable, and eq. 9's regularisation by FLOPs; imports no torch.

Within a site none of them changes the ranks; across sites they decide.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from bench.errors import BadInput

Scores = list[np.ndarray]  # one entry per site: [map], or [resample, map]


def none(scores: Scores) -> Scores:
    """Scores as they are."""
    return scores


def l1(scores: Scores) -> Scores:
    """Scores of each site divided by the sum of their magnitudes (all-zero scores stay zero)."""
    return [_divided(site, np.abs(site).sum(-1, keepdims=True)) for site in scores]


def l2(scores: Scores) -> Scores:
    """Scores of each site divided by their ℓ2 norm over its maps, as in the paper (all-zero scores stay zero)."""
    return [_divided(site, np.sqrt((site**2).sum(-1, keepdims=True))) for site in scores]


def rank(scores: Scores) -> Scores:
    """Ranks within each site divided by its number of maps; ties share ranks (all-zero scores stay zero)."""
    ranks = [stats.rankdata(site, axis=-1) / site.shape[-1] for site in scores]
    return [np.where(site.any(-1, keepdims=True), own, 0.0) for site, own in zip(scores, ranks, strict=True)]


SCALINGS: dict[str, Callable[[Scores], Scores]] = {"none": none, "l1": l1, "l2": l2, "rank": rank}


def regularised(scores: Scores, mflops: Sequence[float], lam: float = 1e-3) -> Scores:
    """Θ − λ·Θ_flops: scores less λ times the MFLOPs that one map of the site costs (the paper's eq. 9, and its λ).

    The paper's MFLOPs are those of making a map: `bench.cost.MapCost.made` / 10⁶, the `mflops` of a run file's sites. λ is in
    units of the scores per MFLOP, so scale the scores first.
    """
    if len(scores) != len(mflops):
        raise BadInput(f"regularised got scores of {len(scores)} sites but MFLOPs of {len(mflops)}: give one number per site")
    return [site - lam * cost for site, cost in zip(scores, mflops, strict=True)]


def _divided(site: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.divide(site, norm, out=np.zeros_like(site), where=norm > 0)
