"""What regularisation by FLOPs costs in agreement, and how many FLOPs it gains from the maps that are deleted first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import ORACLES, REDUCTIONS, Scores, l2, regularised
from pruning_oracle.reports.agreement.correlation import spearman
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sections.section import CaseStudy, Section, number

LAMBDAS = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
CRITERIA = ("taylor", "weight_mean_square", "activation_mean", "random")
SHARE = 0.3  # of all maps, those that would be deleted first


def section(study: CaseStudy) -> Section:
    """A table with a row per ranking and λ: agreement over all maps, and the lowest-ranked maps' share of FLOPs."""
    rows = []
    for name in ("the oracle itself", *(known for known in CRITERIA if known in study.criteria)):
        for lam in LAMBDAS:
            found = np.median([agreement_and_work(run, name, lam) for run in study.runs], axis=0)
            rows.append({"ranking": name, "λ": f"{lam:g}", "all sites": number(found[0]), "work": f"{found[1]:.0%}"})
    costs = [site["mflops"] for site in study.runs[0].oracle.facts["sites"]]
    caption = (
        "Θ − λ·Θ_flops (the paper's equation 9): scores on fresh examples, divided by their ℓ2 norm within each site, less λ"
        " times the MFLOPs that a map takes. All sites: Spearman with oracle_abs, which knows nothing of FLOPs, over all maps."
        f" Work: what the {SHARE:.0%} of all maps that are ranked lowest make of the convolutions' FLOPs. The paper's λ is"
        " 1e-3, for a network (VGG-16) whose maps take 2 to 58 MFLOPs each; here they take"
        f" {min(costs):.2g} to {max(costs):.2g}. Medians over seeds. {study.said}."
    )
    return Section("flops", "Regularisation by FLOPs", caption, table=pd.DataFrame(rows))


def agreement_and_work(run: Run, name: str, lam: float) -> tuple[float, float]:
    """Spearman of regularised scores with oracle_abs over all maps, and the lowest-ranked maps' share of all maps' FLOPs."""
    mflops = [site["mflops"] for site in run.oracle.facts["sites"]]
    truth = [ORACLES["oracle_abs"](run.change(site)) for site in run.sites]
    scores = np.concatenate(regularised(l2(_scores(run, name, truth)), mflops, lam))
    return float(spearman(scores, np.concatenate(truth))), work(scores, mflops, [len(site) for site in truth])


def work(scores: np.ndarray, mflops: Sequence[float], maps: Sequence[int]) -> float:
    """The share of all maps' FLOPs that the lowest-scored SHARE of maps takes; `mflops` and `maps` are per site."""
    costs = np.repeat(mflops, maps)
    lowest = np.argsort(scores, kind="stable")[: round(SHARE * len(scores))]
    return float(costs[lowest].sum() / costs.sum())


def _scores(run: Run, name: str, truth: Scores) -> Scores:
    if name not in run.criteria.facts["criteria"]:
        return truth
    reduction = REDUCTIONS[run.criteria.facts["criteria"][name]["reduce"]]
    return [reduction(run.saliency(name, site, "fresh")) for site in run.sites]
