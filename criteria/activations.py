"""Activation criteria: how strongly, how variably and how often a map responds, after its activation function."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean

PAPER = "Molchanov et al. 2017, arXiv:1611.06440, section 2.2"


@criterion(needs={"mean"}, reduce=mean, unit="activation", source=PAPER)
def activation_mean(site: Evidence) -> PerExample:
    r"""Mean over positions of the activation.

    $$\Theta = \frac{1}{NP}\sum_{n,p} a_{np}$$
    """
    return site.mean


@criterion(needs={"magnitude"}, reduce=mean, unit="activation", source=f"{PAPER}, for activations that can be negative")
def activation_magnitude(site: Evidence) -> PerExample:
    r"""Mean over positions of the activation's magnitude; after a ReLU it is `activation_mean`.

    $$\Theta = \frac{1}{NP}\sum_{n,p} |a_{np}|$$
    """
    return site.magnitude


@criterion(needs={"largest"}, reduce=mean, unit="activation", source="common practice; no paper of its own")
def activation_largest(site: Evidence) -> PerExample:
    r"""Largest activation over positions, averaged over examples.

    $$\Theta = \frac{1}{N}\sum_n \max_p a_{np}$$
    """
    return site.largest


@criterion(needs={"mean", "mean_square"}, reduce=mean, unit="activation", source=PAPER)
def activation_deviation(site: Evidence) -> PerExample:
    r"""Standard deviation of the activation over all examples and positions together (the population's: divided by n).

    $$\Theta = \sqrt{\frac{1}{NP}\sum_{n,p} a_{np}^2 - \left(\frac{1}{NP}\sum_{n,p} a_{np}\right)^2}$$
    """
    first, second = site.mean.double().mean(0), site.mean_square.double().mean(0)
    return (second - first.square()).clamp(min=0).sqrt().to(site.mean.dtype)[None]


@criterion(needs={"zero_share"}, reduce=mean, unit="share of positions", source="Hu et al. 2016, arXiv:1607.03250")
def nonzero_share(site: Evidence) -> PerExample:
    r"""One minus the average percentage of zeros (APoZ), so that higher is more important, as a share, not in percent.

    $$\Theta = 1 - \frac{1}{NP}\sum_{n,p} [a_{np} = 0]$$
    """
    return 1 - site.zero_share


@criterion(needs={"feature_rank"}, reduce=mean, unit="rank", source="Lin et al. 2020, arXiv:2002.10179 (HRank)")
def activation_rank(site: Evidence) -> PerExample:
    r"""Rank of the map as a matrix of height × width, averaged over clips and time steps; 64 examples at most.

    $$\Theta = \frac{1}{NT}\sum_{n,t} \operatorname{rank} A_{nt}$$
    """
    return site.feature_rank
