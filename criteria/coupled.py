"""Coupled criteria: weight × gradient of every layer that would lose a part with the map, put together."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(
    needs={"consumer_product"}, reduce=mean, unit="nats", source="Liu et al. 2021, arXiv:2108.00708 (Group Fisher Pruning)"
)
def group_fisher(site: Evidence) -> PerExample:
    r"""Half the square of activation × gradient, summed over positions and over the inputs of all layers l that read the map.

    The map's mask stands at the input of each of them, and the sum is the slope by the mask that they share. Where one layer
    reads the map it is `fisher`. In a residual stream it is not: a gate there lets what it multiplies run on to later gates,
    which multiply it again; here every reading counts once. The paper divides by the memory that the map takes.

    $$\Theta = \frac{1}{N}\sum_n \frac{1}{2} \left( \sum_l \sum_p a_{np} \frac{\partial C_n}{\partial a_{lnp}} \right)^2$$
    """
    return site.consumer_product.square() / 2


@criterion(
    needs={"layer_products"}, reduce=mean, unit="nats²", source="Chen et al. 2025, arXiv:2508.05521 (Jacobian criterion)"
)
def jacobian(site: Evidence) -> PerExample:
    r"""Sum over layers l of (Σ weight × gradient)² of the part that goes with the map: what makes, normalises and reads it.

    Weights and biases of a part are summed before they are squared, so that they may cancel; layers are not. The paper takes a
    row of the Jacobian from each batch's mean loss, here it is each example's, so that batches do not matter; the project
    divides by the number of layers, or of parameters.

    $$\Theta = \frac{1}{N}\sum_n \sum_l \left( \sum_{j \in l} w_j \frac{\partial C_n}{\partial w_j} \right)^2$$
    """
    return site.layer_products
