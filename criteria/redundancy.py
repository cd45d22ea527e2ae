"""Redundancy criteria: what of a map the other maps of its site cannot replace."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs=(), reduce=mean, unit="squared weight", source="Chen, Sun, Huang 2023, arXiv:2302.08185 (WHC)")
def whc(site: Evidence) -> PerExample:
    r"""Weighted hybrid criterion: a map's norm times the sum over other maps of their norm × (1 − |cosine between them|).

    It is small for a map whose filter is short, or points along those of others. Biases are left out; a coupled map counts all
    its filters as one.

    $$\Theta_k = \lVert w_k \rVert_2 \sum_{l \neq k} \lVert w_l \rVert_2 \left( 1 - \frac{|w_k \cdot w_l|}{\lVert w_k \rVert_2
    \lVert w_l \rVert_2} \right)$$
    """
    weights = site.weights.double()
    norms = weights.norm(dim=1)
    unlike = norms[:, None] * norms - (weights @ weights.T).abs()
    return unlike.fill_diagonal_(0).sum(1).to(site.weights.dtype)[None]


@criterion(needs={"channel_independence"}, reduce=mean, unit="activation", source="Sui et al. 2021, arXiv:2110.13981 (CHIP)")
def chip(site: Evidence) -> PerExample:
    r"""Channel independence: by how much the nuclear norm of a site's maps falls when one of them is zero; 16 examples at most.

    The maps of an example form a matrix of map × position. A map that the others can express takes little of its norm. The
    project rounds activations to four decimals first, and the paper averages over 640 images.

    $$\Theta_k = \frac{1}{N}\sum_n \left( \lVert A_n \rVert_* - \lVert A_n \text{ without row } k \rVert_* \right)$$
    """
    return site.channel_independence
