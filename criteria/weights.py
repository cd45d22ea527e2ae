"""Weight criteria: the size of the filters that make a map, without looking at data. A coupled map counts all its filters."""

import torch

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs=(), reduce=mean, unit="squared weight", source="Molchanov et al. 2017, arXiv:1611.06440, section 2.2")
def weight_mean_square(site: Evidence) -> PerExample:
    r"""Mean square of a map's weights (Σw²/|w|), biases left out.

    $$\Theta = \frac{1}{J}\sum_j w_j^2$$
    """
    return site.weights.square().mean(1)[None]


@criterion(needs=(), reduce=mean, unit="weight", source="Li et al. 2017, arXiv:1608.08710")
def weight_l1(site: Evidence) -> PerExample:
    r"""Sum of the magnitudes of a map's weights (Σ|w|), biases left out.

    $$\Theta = \sum_j |w_j|$$
    """
    return site.weights.abs().sum(1)[None]


@criterion(needs=(), reduce=mean, unit="weight", source="He et al. 2018, arXiv:1808.06866 (soft filter pruning)")
def weight_l2(site: Evidence) -> PerExample:
    r"""Euclidean norm of a map's weights (√Σw²), biases left out; ranks a site's maps as `weight_mean_square` does.

    $$\Theta = \sqrt{\sum_j w_j^2}$$
    """
    return site.weights.norm(dim=1)[None]


@criterion(needs=(), reduce=mean, unit="weight", source="He et al. 2019, arXiv:1811.00250 (FPGM)")
def geometric_median(site: Evidence) -> PerExample:
    r"""Sum of the Euclidean distances from a map's weights to those of every other map of the site, biases left out.

    A map near the geometric median of all can be replaced by the others, so a small sum means little importance.

    $$\Theta_k = \sum_{l} \lVert w_k - w_l \rVert_2$$
    """
    return torch.cdist(site.weights, site.weights, compute_mode="donot_use_mm_for_euclid_dist").sum(1)[None]


@criterion(
    needs={"consumer_weights"},
    reduce=mean,
    unit="weight",
    source="the layers behind the map; NVIDIA ModelOpt scores channels so",
)
def consumer_l2(site: Evidence) -> PerExample:
    r"""Euclidean norm of the weights with which the next layers read a map: a map that they weigh little can go.

    $$\Theta = \sqrt{\sum_j v_j^2}$$
    """
    return site.consumer_weights.norm(dim=1)[None]
