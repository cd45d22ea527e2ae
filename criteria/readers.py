"""Reading criteria: how much a map says, times how strongly the layers behind it read it."""

from pruning_oracle.criteria.activations import activation_deviation
from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(
    needs={"mean_square", "consumer_weights"},
    reduce=mean,
    unit="activation × weight",
    source="Sun et al. 2024, arXiv:2306.11695 (Wanda), for maps instead of single weights",
)
def wanda(site: Evidence) -> PerExample:
    r"""Euclidean norm of the map's activations times that of the weights that read it.

    The paper scores one weight of a linear layer: |weight| × norm of its input over all tokens. Here the squared scores of all
    weights that read the map are added up, and a position is a token. The squared norm is averaged over examples, so that
    their number does not matter.

    $$\Theta = \sqrt{\frac{1}{N}\sum_{n,p} a_{np}^2} \, \sqrt{\sum_j v_j^2}$$
    """
    energy = site.mean_square.double().mean(0) * site.positions.double()
    return (energy.sqrt() * site.consumer_weights.double().norm(dim=1)).to(site.weights.dtype)[None]


@criterion(
    needs={"mean", "mean_square", "consumer_weights"},
    reduce=mean,
    unit="(activation × weight)²",
    source="An et al. 2024, arXiv:2312.11983 (FLAP: weighted input feature variance)",
)
def flap(site: Evidence) -> PerExample:
    r"""Variance of the activation times the squared norm of the weights that read it: what a bias in its place cannot mend.

    The variance is over all examples and positions together and divided by their number; the project updates its own batch by
    batch, from means over tokens, and then standardises over layers, which changes no rank within a site.

    $$\Theta = \left( \frac{1}{NP}\sum_{n,p} a_{np}^2 - \left(\frac{1}{NP}\sum_{n,p} a_{np}\right)^2 \right) \sum_j v_j^2$$
    """
    return activation_deviation(site).square() * site.consumer_weights.square().sum(1)
