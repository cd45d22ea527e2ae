"""What foretells the cost of pruning: Kendall's τ, over criteria, of agreement, datamodeling scores and joint losses with it.

τ is positive where a criterion that does better by the predictor does better in the outcome, whatever their signs. At several
seeds it is the mean of every seed's τ. The 95 % interval is over criteria, drawn anew, the same ones at every seed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.agreement.resampling import RESAMPLES
from pruning_oracle.reports.sets.figures import SeedsFigures

FEWEST = 5  # criteria that a rank needs here


def foretell(case: str, seeds: Sequence[SeedsFigures]) -> pd.DataFrame:
    """Kendall's τ of every predictor with every outcome, over criteria.

    Args:
        case: what the case is called.
        seeds: the figures of its seeds. Criteria of which a figure is undefined at any seed are left out.

    Returns:
        Columns `case, predictor, outcome, tau, low, high`; `first`, the share of draws of criteria in which no other predictor
        foretells this outcome better; `criteria` and `seeds`, how many there are. What has fewer than 5 criteria is NaN, and
        so are the bounds of a perfect τ.
        Where joint losses were measured at several shares, outcomes of their mean τ over shares are added.

    Raises:
        BadInput: there are no seeds.
    """
    if not seeds:
        raise BadInput(f"{case}: there are no seeds to foretell from; allowed is one or more")
    whole = [pd.concat([one.predictors, one.costs.add_prefix("=")], axis=1).dropna() for one in seeds]
    names = [name for name in whole[0].index if all(name in other.index for other in whole)]
    parts = [_compared([(one.predictors.loc[names], one.costs.loc[names]) for one in seeds])]
    for others in ([one.alone for one in seeds], [one.pruned for one in seeds]):
        own = [name for name in names if all(name in other.index for other in others)]
        kinds = [column for column in others[0] if all(column in other for other in others)]
        if kinds and all(map(len, others)):
            pairs = zip(seeds, others, strict=True)
            parts.append(_compared([(one.predictors.loc[own], other.loc[own, kinds]) for one, other in pairs]))
    return pd.concat(parts, ignore_index=True).assign(seeds=len(seeds)).pipe(lambda table: table.assign(case=case)[COLUMNS])


COLUMNS = ["case", "predictor", "outcome", "tau", "low", "high", "first", "criteria", "seeds"]


def _compared(seeds: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """A row for each predictor and outcome; each seed has a table of both with the same criteria."""
    predictors, outcomes = (list(frame.columns) for frame in seeds[0])
    count = len(seeds[0][0])
    pairs = pd.DataFrame([(one, other) for other in outcomes for one in predictors], columns=["predictor", "outcome"])
    if count < FEWEST:
        return pairs.assign(**dict.fromkeys(("tau", "low", "high", "first"), float("nan")), criteria=count)
    random = np.random.default_rng(0)
    drawn = [np.arange(count), *random.integers(count, size=(RESAMPLES, count))]
    every = np.stack([_mean_taus(seeds, places) for places in drawn])  # [draw, predictor, outcome]
    itself = np.array([[one == other for other in outcomes] for one in predictors])
    every[:, itself] = np.nan
    rows = _rows(every, predictors, outcomes)
    for kind, places in _over_shares(outcomes).items():
        rows += _rows(_mean(every[:, :, places])[:, :, None], predictors, [kind])
    return pd.DataFrame(rows).assign(criteria=count)


def _mean_taus(seeds: Sequence[tuple[pd.DataFrame, pd.DataFrame]], places: np.ndarray) -> np.ndarray:
    return np.mean([taus(*(frame.to_numpy()[places] for frame in both)) for both in seeds], axis=0)


def taus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's τ-b of every column of a table `[item, column]` with every column of another; NaN where one is constant."""
    signs = [np.sign(values[:, None] - values).reshape(-1, values.shape[1]) for values in (first, second)]
    untied = [np.abs(sign).sum(0) for sign in signs]
    with np.errstate(invalid="ignore"):
        return signs[0].T @ signs[1] / np.sqrt(np.outer(*untied))


def _rows(every: np.ndarray, predictors: Sequence[str], outcomes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of τ `[draw, predictor, outcome]`, whose first draw is the criteria as they are."""
    best = every[1:] >= np.where(np.isnan(every[1:]), -2, every[1:]).max(axis=1, keepdims=True)
    found = []
    for column, outcome in enumerate(outcomes):
        for row, predictor in enumerate(predictors):
            own, about = every[:, row, column], dict.fromkeys(("tau", "low", "high", "first"), float("nan"))
            if not np.isnan(own[0]):
                low, high = np.nanquantile(own[1:], [0.025, 0.975]) if np.nanmin(own) < np.nanmax(own) else (np.nan, np.nan)
                about = {"tau": own[0], "low": low, "high": high, "first": best[:, row, column].mean()}
            if predictor != outcome:
                found.append({"predictor": predictor, "outcome": outcome} | about)
    return found


def _over_shares(outcomes: Sequence[str]) -> dict[str, list[int]]:
    """The places of the joint losses that differ in their share alone, where there are several."""
    found: dict[str, list[int]] = {}
    for place, outcome in enumerate(outcomes):
        if " of " in outcome:
            found.setdefault(f"joint loss, {outcome.split(' of ', 1)[1]}, mean over shares", []).append(place)
    return {kind: places for kind, places in found.items() if len(places) > 1}


def _mean(every: np.ndarray) -> np.ndarray:
    """The mean over the last axis of what is defined."""
    defined = ~np.isnan(every)
    total = np.where(defined, every, 0).sum(-1)
    return np.divide(total, defined.sum(-1), out=np.full(total.shape, np.nan), where=defined.any(-1))
