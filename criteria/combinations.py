"""Combinations: several cheap criteria combined by their ranks within a site."""

import json
from pathlib import Path

import torch

from pruning_oracle.criteria.activations import activation_deviation
from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean
from pruning_oracle.criteria.curvature import fisher
from pruning_oracle.criteria.taylor import taylor, taylor_signed
from pruning_oracle.criteria.weights import weight_l2

MEMBERS = (weight_l2, activation_deviation, taylor, taylor_signed, fisher)
NEEDS = frozenset[str]().union(*(member.needs for member in MEMBERS))
FITTED = json.loads((Path(__file__).parent / "combination.json").read_text())


def member_ranks(site: Evidence) -> PerExample:
    """Ranks of the site's maps by each criterion in `MEMBERS`, `[member, map]`, from 0 to 1; ties share their mean rank."""
    from scipy.stats import rankdata  # noqa: PLC0415 (half a second to import, which other criteria do not need)

    scores = [member.reduce(member.saliency(site)).double().cpu().numpy() for member in MEMBERS]
    ranks = torch.tensor(rankdata(scores, axis=1)) - 1
    return (ranks / max(1, site.site.maps - 1)).to(site.weights.dtype)


@criterion(needs=NEEDS, reduce=mean, unit="rank", source="Persand, Anderson, Gregg 2020, arXiv:2004.03376, compose so too")
def mean_rank(site: Evidence) -> PerExample:
    r"""Mean over five cheap criteria of a map's rank: weight_l2, activation_deviation, taylor, taylor_signed, fisher.

    $$\Theta = \frac{1}{5} \sum_{m=1}^{5} r_m$$
    """
    return member_ranks(site).mean(0)[None]


@criterion(needs=NEEDS, reduce=mean, unit="rank", source="ours: weights fitted by `python -m pruning_oracle.reports fit`")
def weighted_rank(site: Evidence) -> PerExample:
    r"""Weighted sum of the ranks in `mean_rank`, with weights fitted to the oracles of other cases, never the one scored.

    $$\Theta = \sum_{m=1}^{5} \beta_m r_m$$
    """
    weights = FITTED["without"].get(site.case, FITTED["all"])
    return (torch.tensor(weights, dtype=site.weights.dtype)[:, None] * member_ranks(site)).sum(0)[None]
