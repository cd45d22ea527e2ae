"""Information criteria: how much information a map's activation holds, and how much of it is about the label."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean

LEVELS = 8
PAPER = "Molchanov et al. 2017, arXiv:1611.06440, section 2.2"


def quantise(activation: Float[Tensor, "example map"], levels: int = LEVELS) -> Int[Tensor, "example map"]:
    """The level of each activation, 0 to `levels` − 1, cut at its map's quantiles; equal activations share a level.

    Quantiles make the result independent of any increasing change of scale. A map that is zero on many examples has several
    cuts at zero, and so uses fewer levels.
    """
    shares = torch.linspace(0, 1, levels + 1, dtype=activation.dtype)[1:-1]
    cuts = activation.quantile(shares, dim=0).T.contiguous()
    return torch.searchsorted(cuts, activation.T.contiguous(), right=False).T


def information(site: Evidence, levels: int) -> PerExample:
    """Mutual information of the label and each map's mean activation, quantised into `levels` levels at its quantiles.

    The plug-in estimate over n examples: biased upward by about (levels − 1)(classes − 1) / 2n nats, nearly alike for all maps.
    """
    quantised = quantise(site.mean, levels)
    assert site.labels is not None
    labels = site.labels.unique(return_inverse=True)[1]
    joint = torch.zeros(quantised.shape[1], levels, int(labels.max()) + 1, dtype=torch.float64)
    maps = torch.arange(quantised.shape[1]).expand_as(quantised)
    one = torch.tensor(1.0, dtype=torch.float64)
    joint.index_put_((maps, quantised, labels[:, None].expand_as(quantised)), one, accumulate=True)
    joint /= len(labels)
    independent = joint.sum(1, keepdim=True) * joint.sum(2, keepdim=True)
    return torch.special.xlogy(joint, joint / independent.clamp(min=1e-300)).sum((1, 2)).to(site.mean.dtype)[None]


@criterion(needs={"mean", "labels"}, reduce=mean, unit="nats of information (not of loss)", source=PAPER)
def mutual_information(site: Evidence) -> PerExample:
    r"""Mutual information of the label and a map's mean activation, quantised into 8 levels at its quantiles.

    The paper states neither its levels nor its estimator; `mutual_information_2` and `mutual_information_32` use other levels.

    $$\Theta = \sum_{q=1}^{8} \sum_{c} p(q, c) \ln \frac{p(q, c)}{p(q)\,p(c)}$$
    """
    return information(site, LEVELS)


@criterion(needs={"mean", "labels"}, reduce=mean, unit="nats of information (not of loss)", source=f"{PAPER}; 2 levels")
def mutual_information_2(site: Evidence) -> PerExample:
    r"""Mutual information of the label and a map's mean activation, quantised into 2 levels: above and below the median.

    $$\Theta = \sum_{q=1}^{2} \sum_{c} p(q, c) \ln \frac{p(q, c)}{p(q)\,p(c)}$$
    """
    return information(site, 2)


@criterion(needs={"mean", "labels"}, reduce=mean, unit="nats of information (not of loss)", source=f"{PAPER}; 32 levels")
def mutual_information_32(site: Evidence) -> PerExample:
    r"""Mutual information of the label and a map's mean activation, quantised into 32 levels at its quantiles.

    $$\Theta = \sum_{q=1}^{32} \sum_{c} p(q, c) \ln \frac{p(q, c)}{p(q)\,p(c)}$$
    """
    return information(site, 32)


@criterion(needs={"mean"}, reduce=mean, unit="nats of information (not of loss)", source="Luo and Wu 2017, arXiv:1706.05791")
def entropy(site: Evidence) -> PerExample:
    r"""Entropy over examples of a map's mean activation, in 8 bins of equal width between its smallest and its largest.

    The paper's bins are of equal width too; it does not state their number. A map that never changes has an entropy of 0.

    $$\Theta = -\sum_{b=1}^{8} p(b) \ln p(b)$$
    """
    low, high = site.mean.amin(0), site.mean.amax(0)
    width = torch.where(high > low, high - low, torch.ones_like(low))
    levels = ((site.mean - low) / width * LEVELS).long().clamp(max=LEVELS - 1)
    shares = torch.stack([(levels == level).to(site.mean.dtype).mean(0) for level in range(LEVELS)], 1)
    return -torch.special.xlogy(shares, shares).sum(1)[None]
