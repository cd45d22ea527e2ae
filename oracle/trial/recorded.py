"""Estimated oracles that read their pairs from a whole oracle measured before: cheap, and the truth is known."""

import dataclasses

import numpy as np
from scipy import stats

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.estimated.estimate import Estimates
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.trial.ingredients import Ingredients, steps_with

MeasuredChanges = dict[str, np.ndarray]  # the change of every pair, `[example, map]`, by site


def recorded(case: Case, first: Arrays, whole: MeasuredChanges, used: Ingredients | None = None) -> Sampling:
    """The sampling of an estimated oracle that reads its pairs from `whole`; `first` is what `Sampling.look` found.

    It uses all ingredients unless `used` names others.
    """
    count = len(first["odds"])

    def measure(parts: list[np.ndarray]) -> Arrays:
        return {site.name: whole[site.name].T[part.T] for site, part in zip(case.sites, parts, strict=True)}

    steps = dataclasses.replace(steps_with(used or Ingredients()), first=first, measure=measure)
    return Sampling(case, Replay(case), range(count), count, steps=steps)  # the engine measures nothing


def agreement_of_estimates(found: dict[str, Estimates], kind: str, whole: MeasuredChanges) -> tuple[float, float]:
    """Spearman of estimates with the whole oracle_abs, as `agreement_with_whole` gives it; `kind` is a field of `Estimates`."""
    return agreement_with_whole({name: getattr(part, kind) for name, part in found.items()}, whole)


def agreement_with_whole(means: dict[str, np.ndarray], whole: MeasuredChanges) -> tuple[float, float]:
    """Spearman of mean changes, `[map]` by site, with the whole oracle_abs: the mean over sites, and over all maps at once."""
    pairs = [(np.abs(means[name]), np.abs(change.mean(0))) for name, change in whole.items()]
    within = [stats.spearmanr(*pair).statistic for pair in pairs if len(pair[0]) > 2 and np.ptp(pair[0]) and np.ptp(pair[1])]
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return float(np.mean(within)), float(stats.spearmanr(first, second).statistic)
