"""First-order criteria: expand the loss around the open gate and read off the predicted change."""

from criteria.criterion import Evidence, PerExample, abs_mean, criterion, mean, mean_abs

EQUATION = "Molchanov et al. 2017, arXiv:1611.06440, eq. 8"
LATER = "Molchanov et al. 2019, arXiv:1906.10771"


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source=EQUATION)
def taylor(site: Evidence) -> PerExample:
    """First-order change in loss when a map's gate goes from 1 to 0.

    Equation 8 times the number of positions: the paper takes the mean over positions where the first-order change is the sum.
    """
    return -site.gate_grad


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats per position", source=EQUATION)
def taylor_mean(site: Evidence) -> PerExample:
    """Equation 8 to the letter: the mean over positions. Ranks a site's maps as `taylor` does; differs across sites."""
    return -site.gate_grad / site.positions


@criterion(needs={"gate_grad"}, reduce=abs_mean, unit="nats", source="what many implementations of eq. 8 compute instead")
def taylor_signed(site: Evidence) -> PerExample:
    """As `taylor`, but the magnitude is taken after the mean over examples: their changes cancel, as the oracle's do."""
    return -site.gate_grad


@criterion(needs={"product_magnitude"}, reduce=mean, unit="nats", source=f"{EQUATION}, read element by element")
def taylor_elementwise(site: Evidence) -> PerExample:
    """Sum over positions of |activation × gradient|: the magnitude before the sum, so that positions cannot cancel."""
    return site.product_magnitude


@criterion(needs={"gate_grad"}, reduce=mean, unit="nats²", source=f"{LATER}, eq. 8 at a gate behind batch norm")
def taylor_squared(site: Evidence) -> PerExample:
    """Squared gate gradient, mean over examples.

    The paper squares the gradient of a batch's mean loss; here each example's is squared, so that batches do not matter. Half
    of it is the diagonal of the empirical Fisher information at the gate (Theis et al. 2018, arXiv:1801.05787).
    """
    return site.gate_grad.square()
