"""jacobgil/pytorch-pruning's criterion, re-derived from a description: as the project computes it, not corrected."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, abs_mean, criterion


@criterion(
    needs={"gate_grad"}, reduce=abs_mean, unit="nats per position", source="jacobgil/pytorch-pruning, from a description of it"
)
def jacobgil_taylor(site: Evidence) -> PerExample:
    """Mean over examples and positions of activation × gradient, its magnitude taken at the very end.

    The project cites eq. 8 of arXiv:1611.06440, which takes it per example. This is `taylor_signed` over the number of
    positions, and ranks a site's maps as that does. Departures: the ℓ2 norm per layer is left out, since scaling is a step of
    its own here; dropout is off, and is on there; every example weighs the same, as it does there if all minibatches are full.
    """
    return site.gate_grad / site.positions
