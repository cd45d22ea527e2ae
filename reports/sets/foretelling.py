"""What foretells the cost of pruning: Kendall's τ, over criteria, of agreement, datamodeling scores and joint losses with it.

τ is positive where a criterion that does better by the predictor does better in the outcome, whatever their signs. At several
seeds it is the mean of every seed's τ. The 95 % interval is over criteria, drawn anew, the same ones at every seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import SCALINGS, Scores
from pruning_oracle.reports.agreement.correlation import mean_over_sites, spearman
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN
from pruning_oracle.reports.agreement.resampling import RESAMPLES
from pruning_oracle.reports.inputs.read import Run, read_shown_run
from pruning_oracle.reports.sets.chosen import TRUTHS, scores_of
from pruning_oracle.reports.sets.pruned import pruned_by
from pruning_oracle.reports.sets.table import kind_of, read_written

FEWEST = 5  # criteria that a rank needs here
OWN = 0.25  # the share at which joint losses are predictors, too


@dataclass(frozen=True)
class SeedsFigures:
    """What there is of every criterion at one seed: rows are criteria, and higher is better in every column.

    `pruned` has a row for each criterion by which the network was pruned and fine-tuned.
    """

    predictors: pd.DataFrame
    costs: pd.DataFrame
    pruned: pd.DataFrame


def figures_of(run: Run, lds: pd.DataFrame, sets: pd.DataFrame, pruned: pd.DataFrame) -> SeedsFigures:
    """The figures of a run, of its tables of datamodeling scores and of chosen sets, and of its pruning runs."""
    names = list(run.criteria.facts["criteria"])
    costs = sets.assign(kind=[f"joint loss, {kind_of(*key)}" for key in zip(sets.share, sets.scope, sets.scaling, strict=True)])
    own = costs[costs.share == OWN].kind.unique()
    wide = -costs.pivot(index="chooser", columns="kind", values="joint_loss").reindex(names)[list(dict.fromkeys(costs.kind))]
    scored = lds.assign(kind=[_scaled(f"LDS, {share:.0%}", how) for share, how in zip(lds.share, lds.scaling, strict=True)])
    scores = scored.pivot(index="chooser", columns="kind", values="lds").reindex(names)[list(dict.fromkeys(scored.kind))]
    return SeedsFigures(
        pd.concat([agreements(run), scores, wide[own]], axis=1), wide, pruned.loc[pruned.index.intersection(names)]
    )


def read_and_foretell(case: str, seeds: Sequence[int], root: Path) -> pd.DataFrame:
    """What `foretell` gives of the files of a case at some seeds; `root` is the folder of all run files.

    BadInput, which names the command that makes it, if a file is missing. Pruning runs may be missing.
    """
    found = []
    for seed in seeds:
        folder = runs.folder(case, seed, root)
        lds, sets = (
            read_written(folder / f"{name}.csv", f"{command} {case} --seed {seed}")
            for name, command in (("reference-sets", "reference-sets"), ("sets", "chosen-sets"))
        )
        if "repair" in sets:  # what a repair gives back is another question
            sets = sets[sets.repair == "none"]
        found.append(figures_of(read_shown_run(case, seed, root), lds, sets, pruned_by(case, seed, root)))
    return foretell(case, found)


def agreements(run: Run) -> pd.DataFrame:
    """Spearman of every criterion's score on fresh examples with each reduction of the oracle, within and over sites."""
    scores = scores_of(run)
    return pd.DataFrame(
        {
            _scaled(f"agreement with {target}, {scope}", scaling): {
                name: _agreement(scores[name], scores[target], scope, scaling) for name in run.criteria.facts["criteria"]
            }
            for target in TRUTHS
            for scope, scaling in ((MEAN, "none"), (ALL, "none"), (ALL, "l2"))
        }
    )


def _agreement(score: Scores, truth: Scores, scope: str, scaling: str) -> float:
    if scope == MEAN:
        return float(mean_over_sites([spearman(own, true) for own, true in zip(score, truth, strict=True)]))
    return float(spearman(np.concatenate(SCALINGS[scaling](score)), np.concatenate(truth)))


def _scaled(text: str, scaling: str) -> str:
    return text if scaling == "none" else f"{text}, {scaling}"


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
    pruned = [name for name in names if all(name in one.pruned.index for one in seeds)]
    kinds = [column for column in seeds[0].pruned if all(column in one.pruned for one in seeds)]
    if kinds and all(len(one.pruned) for one in seeds):
        parts.append(_compared([(one.predictors.loc[pruned], one.pruned.loc[pruned, kinds]) for one in seeds]))
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
