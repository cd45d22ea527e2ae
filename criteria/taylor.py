"""First-order criteria: expand the loss around the open gate and read off the predicted change."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, abs_mean, criterion, mean, mean_abs

EQUATION = "Molchanov et al. 2017, arXiv:1611.06440, eq. 8"
LATER = "Molchanov et al. 2019, arXiv:1906.10771"


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source=EQUATION)
def taylor(site: Evidence) -> PerExample:
    r"""First-order change in loss when a map's gate goes from 1 to 0.

    Equation 8 times the number of positions: the paper takes the mean over positions where the first-order change is the sum.

    $$\Theta = \frac{1}{N}\sum_n \left| \frac{\partial C_n}{\partial g} \right|$$
    """
    return -site.gate_grad


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats per position", source=EQUATION)
def taylor_mean(site: Evidence) -> PerExample:
    r"""Equation 8 to the letter: the mean over positions. Ranks a site's maps as `taylor` does; differs across sites.

    $$\Theta = \frac{1}{N}\sum_n \left| \frac{1}{P} \frac{\partial C_n}{\partial g} \right|$$
    """
    return -site.gate_grad / site.positions


@criterion(needs={"gate_grad"}, reduce=abs_mean, unit="nats", source="what many implementations of eq. 8 compute instead")
def taylor_signed(site: Evidence) -> PerExample:
    r"""First-order change in loss as in `taylor`; the magnitude is that of the mean over examples, as the oracle's is.

    $$\Theta = \left| \frac{1}{N}\sum_n \frac{\partial C_n}{\partial g} \right|$$
    """
    return -site.gate_grad


@criterion(needs={"product_magnitude"}, reduce=mean, unit="nats", source=f"{EQUATION}, read element by element")
def taylor_elementwise(site: Evidence) -> PerExample:
    r"""Sum over positions of |activation × gradient|: the magnitude before the sum, so that positions cannot cancel.

    $$\Theta = \frac{1}{N}\sum_n \sum_p \left| a_{np} \frac{\partial C_n}{\partial a_{np}} \right|$$
    """
    return site.product_magnitude


@criterion(needs={"gate_grad"}, reduce=mean, unit="nats²", source=f"{LATER}, at a gate")
def taylor_squared(site: Evidence) -> PerExample:
    r"""Squared gate gradient, mean over examples.

    The paper squares the gradient of a batch's mean loss; here that of each example's loss, so that batches do not matter.

    $$\Theta = \frac{1}{N}\sum_n \left( \frac{\partial C_n}{\partial g} \right)^2$$
    """
    return site.gate_grad.square()


@criterion(needs={"weight_product"}, reduce=mean, unit="nats²", source=f"{LATER}, on weights: summed, then squared")
def taylor_weight(site: Evidence) -> PerExample:
    r"""Square of Σ weight × gradient over the filters that make a map, mean over examples; biases left out.

    The paper squares the sum for a batch's mean loss; here it is squared for each example's, so that batches do not matter.

    $$\Theta = \frac{1}{N}\sum_n \left( \sum_j w_j \frac{\partial C_n}{\partial w_j} \right)^2$$
    """
    return site.weight_product.square()


@criterion(needs={"weight_grad"}, reduce=mean, unit="nats²", source=f"{LATER}, on weights: squared, then summed")
def taylor_weight_elementwise(site: Evidence) -> PerExample:
    r"""Σ (weight × gradient)² over the filters that make a map, with the gradient of the mean loss over all examples.

    $$\Theta = \sum_j \left( w_j \frac{\partial C}{\partial w_j} \right)^2$$
    """
    return (site.weights * site.weight_grad).square().sum(1)[None]


@criterion(
    needs={"weight_grad"}, reduce=mean, unit="nats", source="Lee et al. 2019, arXiv:1810.02340 (SNIP), on trained weights"
)
def snip(site: Evidence) -> PerExample:
    r"""Σ |weight × gradient| over the filters that make a map, with the gradient of the mean loss over all examples.

    The paper scores single weights of an untrained network; here the scores of a map's weights are added up.

    $$\Theta = \sum_j \left| w_j \frac{\partial C}{\partial w_j} \right|$$
    """
    return (site.weights * site.weight_grad).abs().sum(1)[None]
