"""Turns saliencies into scores (reductions), and makes the scores of different sites comparable (scalings).

A reduction turns a saliency `[example, map]`, of torch or numpy, into scores `[map]`. A scaling changes no rank within a site,
but decides the ranks across sites. This module imports no torch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pruning_oracle.bench.errors import BadInput

Scores = list[np.ndarray]  # one entry per site: [map], or [resample, map]


def _same(values: Any) -> Any:
    return values


@dataclass(frozen=True)
class Reduction:
    """From a saliency `[example, map]` to scores `[map]`: `after(mean over examples of before(saliency))`.

    It has two parts so that a weighted mean over examples can replace the plain one, as in a bootstrap.
    """

    before: Callable[[Any], Any]
    after: Callable[[Any], Any]

    def __call__(self, saliency: Any) -> Any:
        """Scores `[map]` of a saliency `[example, map]`, by the plain mean over all its examples."""
        return self.after(self.before(saliency).mean(0))


mean = Reduction(_same, _same)
mean_abs = Reduction(abs, _same)
abs_mean = Reduction(_same, abs)

REDUCTIONS = {"mean": mean, "mean_abs": mean_abs, "abs_mean": abs_mean}
ORACLES = {"oracle_abs": abs_mean, "oracle_loss": mean}


def shown(value: float, form: str) -> str:
    """A figure as text, by a format such as `.2%`; `undefined` where it has no meaning (NaN)."""
    return "undefined" if math.isnan(value) else format(value, form)


def reduction_name(reduction: Reduction) -> str:
    """The name by which a run file stores a reduction."""
    return next(name for name, value in REDUCTIONS.items() if value is reduction)


def none(scores: Scores) -> Scores:
    """Scores unchanged."""
    return scores


def l1(scores: Scores) -> Scores:
    """Scores of each site divided by the sum of their magnitudes (all-zero scores stay zero)."""
    return [_divided(site, np.abs(site).sum(-1, keepdims=True)) for site in scores]


def l2(scores: Scores) -> Scores:
    """Scores of each site divided by their ℓ2 norm over its maps, as in the paper (all-zero scores stay zero)."""
    return [_divided(site, np.sqrt((site**2).sum(-1, keepdims=True))) for site in scores]


def rank(scores: Scores) -> Scores:
    """Ranks within each site divided by its number of maps; ties share ranks (all-zero scores stay zero)."""
    from scipy.stats import rankdata  # noqa: PLC0415 (takes half a second; only reports and this scaling need it)

    ranks = [rankdata(site, axis=-1) / site.shape[-1] for site in scores]
    return [np.where(site.any(-1, keepdims=True), own, 0.0) for site, own in zip(scores, ranks, strict=True)]


SCALINGS: dict[str, Callable[[Scores], Scores]] = {"none": none, "l1": l1, "l2": l2, "rank": rank}


def regularised(scores: Scores, mflops: Sequence[float], lam: float = 1e-3) -> Scores:
    """Θ − λ·Θ_flops: scores minus λ times the MFLOPs that one map of the site costs (the paper's eq. 9; the default is its λ).

    `mflops` has one number per site. The paper's are those of making a map: `MapCost.made` / 10⁶ of `bench/network/cost.py`,
    or `mflops` of the sites in a run file. λ is in units of the scores per MFLOP, so scale the scores first.
    """
    if len(scores) != len(mflops):
        raise BadInput(f"regularised got scores of {len(scores)} sites but MFLOPs of {len(mflops)}: give one number per site")
    return [site - lam * cost for site, cost in zip(scores, mflops, strict=True)]


def _divided(site: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.divide(site, norm, out=np.zeros_like(site), where=norm > 0)
