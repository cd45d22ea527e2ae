"""Weight criteria: the size of the filters that make a map, whatever the data."""

from criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs=(), reduce=mean, unit="squared weight", source="Molchanov et al. 2017, arXiv:1611.06440, section 2.2")
def weight_mean_square(site: Evidence) -> PerExample:
    """Mean square of a map's weights (Σw²/|w|), biases left out; a coupled map counts all of its filters."""
    return site.weights.square().mean(1)[None]


@criterion(needs=(), reduce=mean, unit="weight", source="Li et al. 2017, arXiv:1608.08710")
def weight_l1(site: Evidence) -> PerExample:
    """Sum of the magnitudes of a map's weights (Σ|w|), biases left out; a coupled map counts all of its filters."""
    return site.weights.abs().sum(1)[None]
