"""jacobgil/pytorch-pruning's criterion, re-derived from a description: as the project computes it, not corrected."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, abs_mean, criterion


@criterion(
    needs={"gate_grad"}, reduce=abs_mean, unit="nats per position", source="jacobgil/pytorch-pruning, from a description of it"
)
def jacobgil_taylor(site: Evidence) -> PerExample:
    r"""Mean over examples and positions of activation × gradient, with its magnitude taken at the very end.

    The project cites eq. 8 of arXiv:1611.06440, which takes the magnitude per example. This is `taylor_signed` divided by the
    number of positions, and ranks a site's maps as that does. Departures: the ℓ2 norm per layer is left out, since scaling is a
    separate step here; dropout is off, but on in the project; every example weighs the same, in the project only if all
    minibatches are full.

    $$\Theta = \left| \frac{1}{N}\sum_n \frac{1}{P} \frac{\partial C_n}{\partial g} \right|$$
    """
    return site.gate_grad / site.positions
