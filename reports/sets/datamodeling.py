"""The linear datamodeling score (LDS): how well summed scores rank the joint losses of random sets of one size.

Spearman over sets, as in data attribution (Park et al. 2023, arXiv:2303.14186), where dattri's `metric.lds` takes one per
test example; here scores speak of all examples, and joint losses are averaged over them. Its 95 % interval is over sets and
examples, both drawn anew, on Fisher's z scale around the measured value; scores are held fixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import SCALINGS, Scores, mean
from pruning_oracle.reports.agreement.correlation import correlate, standard_ranks
from pruning_oracle.reports.agreement.noise_ceiling import ALL, ceilings
from pruning_oracle.reports.agreement.resampling import RESAMPLES, draws, interval
from pruning_oracle.reports.sets.reference import ReferenceSet, check_distinct, groups, members, single_changes

SCALED = ("none", "l2")  # scalings of the scores that are summed
SUMMED = "single_changes"  # the chooser that sums the single changes measured on the very examples of the joint losses
DIGITS = 9  # of sums, relative to the scores': what differs by less differs by the order of summation alone


@dataclass(frozen=True)
class _Truth:
    """Standard ranks of the joint losses of sets of one share, measured and drawn anew."""

    ranks: np.ndarray  # [set]
    resampled: np.ndarray  # [resample, set]
    drawn: np.ndarray  # places of the sets that were drawn, [resample, set]

    @classmethod
    def of(cls, joint: np.ndarray, weights: np.ndarray, drawn: np.ndarray) -> "_Truth":
        """That of joint losses `[example, set]`, with weights `[resample, example]` of the examples."""
        resampled = standard_ranks(np.take_along_axis(weights @ joint, drawn, 1))
        return cls(standard_ranks(joint.mean(0)), resampled, drawn)

    def lds(self, sums: np.ndarray, resampled: np.ndarray | None = None) -> dict[str, float]:
        """The score of sums `[set]` with its interval; their resamples, `[resample, set]`, are by default the same sums."""
        value = float(correlate(standard_ranks(sums), self.ranks))
        again = sums[self.drawn] if resampled is None else np.take_along_axis(resampled, self.drawn, 1)
        low, high = interval(value, correlate(standard_ranks(again), self.resampled), len(sums))
        return {"lds": value, "low": low, "high": high}


def datamodeling_table(
    scores: Mapping[str, Scores], sites: Mapping[str, int], sets: Sequence[ReferenceSet], joint: np.ndarray, seed: int
) -> pd.DataFrame:
    """The LDS of every chooser on the sets over all sites of every share.

    Args:
        scores: for every criterion or oracle one array per site.
        sites: how many maps each site has, in the same order.
        sets: the reference sets.
        joint: their joint losses on examples that no chooser saw, `[example, set]` in nats.
        seed: of the bootstrap.

    Returns:
        Columns `chooser, share, scaling, lds, low, high, ceiling` (how well the joint losses on one half of the examples rank
        those on the other, Spearman–Brown corrected), `maps` (in a set), `sets`, `n` (examples). A constant sum is NaN. The
        chooser `single_changes` sums what was measured on these very examples: what adding alone can give.

    Raises:
        BadInput: sets of a share are too few for a rank, or there are not as many columns of joint losses as sets.
    """
    check_distinct(sets)
    alone, weights = single_changes(sites, sets, joint), draws(len(joint), seed)
    guesses = {(name, scaling): np.concatenate(SCALINGS[scaling](own)) for name, own in scores.items() for scaling in SCALED}
    found, rows = groups(sets, ALL), list[dict[str, Any]]()
    names = [str(share) for share in found]
    ceiling = ceilings(names, [joint[:, places] for places in found.values()], mean, seed) if names else {}
    for place, (share, places) in enumerate(found.items()):
        has = members(sites, [sets[one] for one in places])
        drawn = np.random.default_rng([seed, 3, place]).integers(len(places), size=(RESAMPLES, len(places)))
        truth = _Truth.of(joint[:, places], weights, drawn)
        added = alone @ has.T
        about = {"ceiling": ceiling[str(share)], "maps": int(has[0].sum()), "sets": len(places), "n": len(joint)}
        for (name, scaling), guess in guesses.items():
            rows.append({"chooser": name, "share": share, "scaling": scaling} | truth.lds(summed(guess, has)) | about)
        lds = truth.lds(added.mean(0), weights @ added)
        rows.append({"chooser": SUMMED, "share": share, "scaling": "none"} | lds | about)
    return pd.DataFrame(rows)


def summed(score: np.ndarray, has: np.ndarray) -> np.ndarray:
    """The sum of a score `[map]` over the maps of every set; sums that differ by rounding alone are equal."""
    scale = float(np.abs(score).sum()) or 1.0
    return np.round(has @ (score / scale), DIGITS)
