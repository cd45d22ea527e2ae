"""A way to measure an oracle on a batch, and which part of what it does removes maps."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pruning_oracle.bench.case import Case


@dataclass(frozen=True)
class Way:
    """A call that gives the change in loss at every site, and which part of what it does removes maps.

    A whole oracle has hundreds of maps to a site; in a sample of a few, the passes that a way makes once per site weigh too
    much. `share` takes them off again: its removals as a part of all its passes.
    """

    call: Callable[[], list[Tensor]]
    share: float = 1.0
    note: str = ""


def share_of_removals(case: Case, extra: int) -> float:
    """The part of a way's passes that removes maps, where it makes so many `extra` ones over all sites."""
    maps = sum(site.maps for site in case.sites)
    return maps / (maps + extra)
