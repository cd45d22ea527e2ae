"""The noise ceiling: how well the oracle of one half of the examples predicts that of the other half."""

from typing import Any

import numpy as np

from pruning_oracle.bench.scores import Scores
from pruning_oracle.reports.agreement.correlation import mean_over_sites, spearman
from pruning_oracle.reports.agreement.resampling import noise
from pruning_oracle.reports.inputs.site_names import RESERVED

SPLITS = 20
FEW = 100  # examples: an oracle on fewer is announced as a small sample


MEAN, ALL = RESERVED


def ceilings(sites: list[str], changes: Scores, reduction: Any, seed: int, errors: Scores | None = None) -> dict[str, float]:
    """Noise ceiling per scope: agreement of the oracle on one half of the examples with the other, Spearman–Brown corrected.

    A mean over random splits; a yardstick, not a bound. An estimated oracle's halves are off by draws of their own, as if
    each had been estimated by itself.
    """
    estimated = errors is not None and any(error.any() for error in errors)
    off = noise([error * np.sqrt(2) for error in errors], 2 * SPLITS) if errors is not None and estimated else None
    random = np.random.default_rng([seed, 1])
    halves: dict[str, list[float]] = {name: [] for name in (*sites, ALL)}
    for split in range(SPLITS):
        order = random.permutation(len(changes[0]))
        middle = len(order) // 2
        one, other = ([reduction(change[part]) for change in changes] for part in (order[:middle], order[middle:]))
        if off is not None:
            one, other = (
                [
                    reduction.after(change[part].mean(0) + draw[2 * split + half])
                    for change, draw in zip(changes, off, strict=True)
                ]
                for half, part in enumerate((order[:middle], order[middle:]))
            )
        for name, a, b in zip(sites, one, other, strict=True):
            halves[name].append(float(spearman(a, b)))
        halves[ALL].append(float(spearman(np.concatenate(one), np.concatenate(other))))
    means = {name: float(np.mean(values)) for name, values in halves.items()}
    found = {name: 2 * value / (1 + value) if value > -1 else float("nan") for name, value in means.items()}
    found[MEAN] = float(mean_over_sites([np.array(found[name]) for name in sites]))
    return found


def small_sample(examples: int, ceiling: float) -> str:
    """A sentence on an oracle of so few examples that agreement with it says little; empty if there are enough."""
    if examples >= FEW:
        return ""
    return (
        f"the oracle was measured on {examples} examples: one half of them predicts the ranks by the other half with a noise"
        f" ceiling of {ceiling:.2f}, and intervals are wide; {FEW} examples or more say more"
    )
