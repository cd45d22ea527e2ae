"""Reference sets: the random sets, drawn from a seed, that scores are tried on, and the single maps beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.agreement.correlation import LEAST
from pruning_oracle.reports.agreement.noise_ceiling import ALL

SHARES = (0.02, 0.05, 0.1, 0.2)  # of the maps that are removed
SINGLE = "single map"  # the scope of sets of one map, of which there is one for every map of the network


@dataclass(frozen=True)
class ReferenceSet:
    """Maps that were drawn: a share of `all sites` or of a site alone, which `scope` names; or a `single map`."""

    scope: str
    share: float
    maps: dict[str, list[int]]


def check_distinct(sets: Sequence[ReferenceSet]) -> None:
    """Raises BadInput if the sets over all sites of any share are too few for a rank, equal ones counted once."""
    for share, places in groups(sets, ALL).items():
        distinct = {str(sorted(sets[place].maps.items())) for place in places}
        if len(distinct) < LEAST:
            raise BadInput(
                f"reference sets of {share:.0%} of all maps: only {len(distinct)} of {len(places)} differ; a rank needs {LEAST}"
            )


def groups(sets: Sequence[ReferenceSet], scope: str) -> dict[float, list[int]]:
    """The places of a scope's sets, by their share."""
    found: dict[float, list[int]] = {}
    for place, one in enumerate(sets):
        if one.scope == scope:
            found.setdefault(one.share, []).append(place)
    return found


def members(sites: Mapping[str, int], sets: Sequence[ReferenceSet]) -> np.ndarray:
    """Which maps sets have, `[set, map]` of zeros and ones, over all sites' maps; `sites` says how many each has."""
    starts = dict(zip(sites, np.cumsum([0, *sites.values()]).tolist(), strict=False))
    found = np.zeros((len(sets), sum(sites.values())))
    for row, one in zip(found, sets, strict=True):
        for site, maps in one.maps.items():
            row[[starts[site] + index for index in maps]] = 1
    return found


def single_changes(sites: Mapping[str, int], sets: Sequence[ReferenceSet], joint: np.ndarray) -> np.ndarray:
    """The changes in loss of single maps among joint losses `[example, set]`: `[example, map]` over all sites' maps.

    Raises BadInput if there are not as many columns as sets. A map that cannot be removed alone, its site's only one, is
    in no set; its change stands as 0.
    """
    if joint.shape[1] != len(sets):
        raise BadInput(f"{joint.shape[1]} joint losses of {len(sets)} sets: give one column for each set")
    places = [place for place, one in enumerate(sets) if one.scope == SINGLE]
    return joint[:, places] @ members(sites, [sets[place] for place in places])
