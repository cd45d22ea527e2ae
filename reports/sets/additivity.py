"""How far changes in loss are from adding: joint losses of random sets beside the sums of their maps' single changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.sets.reference import ReferenceSet, groups, members, single_changes

OF_SETS = 2_000_003  # added to the seed: sets are drawn on their own, not as the examples
QUANTILES = (0.025, 0.975)


def additivity_table(sites: Mapping[str, int], sets: Sequence[ReferenceSet], joint: np.ndarray, seed: int) -> pd.DataFrame:
    """A row for every scope and share: what sets cost together, and what the sum of their maps' single changes says.

    Both are measured on the same examples. Intervals (95 %) are over sets and examples, drawn anew, and paired.

    Args:
        sites: how many maps each site has, in the network's order.
        sets: the reference sets.
        joint: their joint losses, `[example, set]` in nats.
        seed: of the bootstrap.

    Returns:
        Columns `scope` (`all sites`, or a site whose maps alone are removed), `share`, `maps` (in a set), `joint_loss` and
        `single_changes` (means over sets and examples, nats), `difference` = the first less the second with `difference_low`
        and `difference_high`, their `ratio` with `ratio_low` and `ratio_high` (NaN where the sum may as well be 0 or less),
        `sets` and `n` (examples).

    Raises:
        BadInput: there are not as many columns of joint losses as sets.
    """
    alone, rows = single_changes(sites, sets, joint), list[dict[str, Any]]()
    for scope in (ALL, *sites):
        for share, places in groups(sets, scope).items():
            has = members(sites, [sets[place] for place in places])
            about = {"scope": scope, "share": share, "maps": int(has[0].sum())}
            means = _compared(joint[:, places], alone @ has.T, seed)
            rows.append(about | means | {"sets": len(places), "n": len(joint)})
    return pd.DataFrame(rows)


def _compared(together: np.ndarray, added: np.ndarray, seed: int) -> dict[str, float]:
    """Means of two matrices `[example, set]`, their difference and their ratio with intervals."""
    examples, of_sets = draws(len(together), seed), draws(together.shape[1], seed + OF_SETS)
    joint, single = (((examples @ values) * of_sets).sum(1) for values in (together, added))
    found = {"joint_loss": float(together.mean()), "single_changes": float(added.mean())}
    difference = found["joint_loss"] - found["single_changes"]
    found |= {"difference": difference} | _bounds("difference", joint - single)
    if np.quantile(single, QUANTILES[0]) <= 0:
        return found | dict.fromkeys(("ratio", "ratio_low", "ratio_high"), float("nan"))
    ratios = np.divide(joint, single, out=np.full_like(joint, np.inf), where=single > 0)
    return found | {"ratio": found["joint_loss"] / found["single_changes"]} | _bounds("ratio", ratios)


def _bounds(name: str, resampled: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(resampled, QUANTILES)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
