"""How well a criterion's scores tell maps apart: ties, pairs whose order is noise, and spread."""

from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A table with a row per criterion: shares of pairs of maps that tie or are not told apart, and the spread of scores."""
    rows = []
    for name in (name for name in study.criteria if name in study.runs[0].criteria.facts["criteria"]):
        found = np.median([dispersion(run, name) for run in study.runs], axis=0)
        noisy = "—" if np.isnan(found[1]) else f"{found[1]:.0%}"
        spread = "undefined" if np.isnan(found[2]) else f"{found[2]:.2f}"
        rows.append({"criterion": name, "pairs that tie": f"{found[0]:.1%}", "pairs not told apart": noisy, "spread": spread})
    caption = (
        "Of all pairs of maps of one site, those with exactly equal scores, and those whose scores differ by less than 1.96"
        " standard errors of their difference over the fresh examples (— for criteria that do not speak of single examples)."
        " Spread is the standard deviation of a site's scores over the magnitude of their mean, a mean over sites: a small one"
        f" means that the maps of a site look alike to the criterion. Median over seeds. {study.said}."
    )
    return Section("dispersion", "How many maps a score tells apart", caption, table=pd.DataFrame(rows))


def dispersion(run: Run, criterion: str) -> tuple[float, float, float]:
    """Shares of pairs of maps that tie and that are not told apart (NaN unless saliencies are per example), and the spread."""
    reduction = run.reduction(criterion)
    ties = noisy = pairs = 0.0
    spreads = []
    for site in run.sites:
        matrix = run.saliency(criterion, site, "fresh")
        score, upper = reduction(matrix), np.triu_indices(matrix.shape[1], 1)
        gap = np.abs(score[:, None] - score)[upper]
        pairs += len(gap)
        ties += float((gap == 0).sum())
        noisy += float((gap < 1.96 * error(matrix, reduction)[upper]).sum()) if len(matrix) > 1 else np.nan
        middle = abs(score.mean())
        spreads.append(score.std() / middle if middle > 0 else np.nan)
    return ties / max(pairs, 1), noisy / max(pairs, 1), float(np.nanmean(spreads)) if not np.isnan(spreads).all() else np.nan


def error(matrix: np.ndarray, reduction: Any) -> np.ndarray:
    """Standard error `[map, map]` of the difference of two maps' scores; to first order for the magnitude of a mean."""
    before = reduction.before(matrix)
    signs = np.where(reduction.after(before.mean(0)) == before.mean(0), 1.0, -1.0)
    covariance = np.atleast_2d(np.cov(before * signs, rowvar=False))
    own = np.diag(covariance)
    return np.sqrt(np.clip(own[:, None] + own - 2 * covariance, 0, None) / len(matrix))
