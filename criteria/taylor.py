"""Taylor criteria: expand the loss around the open gate and read off the predicted change."""

from criteria.criterion import Evidence, PerExample, criterion, mean_abs


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source="Molchanov et al. 2017, arXiv:1611.06440, eq. 8")
def taylor(site: Evidence) -> PerExample:
    """First-order change in loss when a map's gate goes from 1 to 0.

    Equation 8 times the number of positions: the paper takes the mean over positions where the first-order change is the sum.
    """
    return -site.gate_grad


@criterion(
    needs={"gate_grad"}, reduce=mean_abs, unit="nats per position", source="Molchanov et al. 2017, arXiv:1611.06440, eq. 8"
)
def taylor_mean(site: Evidence) -> PerExample:
    """Equation 8 to the letter: the mean over positions. Ranks a site's maps as `taylor` does; differs across sites."""
    return -site.gate_grad / site.positions
