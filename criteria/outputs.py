"""Output criteria: how far the distribution that the network predicts would move, without looking at labels."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(
    needs={"sampled_grad"},
    reduce=mean,
    unit="nats",
    source="Theis et al. 2018, arXiv:1801.05787; Martens 2014, arXiv:1412.1193",
)
def sampled_fisher(site: Evidence) -> PerExample:
    r"""`fisher` with labels y that the network itself draws: an estimate of `output_divergence` by one backward pass.

    Each example draws one label from the softmax of its scores, by the run's seed.

    $$\Theta = \frac{1}{N}\sum_n \frac{1}{2} \left( \frac{\partial \log p(y_n \mid x_n)}{\partial g} \right)^2, \quad y_n \sim
    p(\cdot \mid x_n)$$
    """
    return site.sampled_grad.square() / 2


@criterion(needs={"output_fisher"}, reduce=mean, unit="nats", source="Kullback, Leibler 1951, to second order in the gate")
def output_divergence(site: Evidence) -> PerExample:
    r"""KL divergence of the outputs without the map from those with it, to second order: half the expected Fisher information.

    Where the loss is the cross-entropy it is `gauss_newton`, which then depends on no label either. 128 examples at most.

    $$\Theta = \frac{1}{N}\sum_n \frac{1}{2} \sum_y p(y \mid x_n) \left( \frac{\partial \log p(y \mid x_n)}{\partial g}
    \right)^2$$
    """
    return site.output_fisher / 2
