"""Controls: criteria whose agreement with the oracle is known in advance."""

import zlib

import torch

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs=(), reduce=mean, unit="none", source="control: agreement must come out near 0")
def random(site: Evidence) -> PerExample:
    r"""Uniform numbers drawn from the run's seed and the site's name.

    $$\Theta \sim U(0, 1)$$
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"{site.seed} {site.site.name}".encode()))
    return torch.rand(1, site.site.maps, generator=generator)
