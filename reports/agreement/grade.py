"""Agreement: Spearman and Kendall of scores with the oracle, per site and over all sites, with intervals and a noise ceiling.

Intervals are 95 % intervals over examples. Both matrices are resampled over examples, with the same draws on shared
examples and separate ones on fresh examples, and the standard error of the Spearman is taken on Fisher's z scale around the
measured value. A percentile interval would lie too low: a resampled oracle carries its sampling noise twice. Criteria that
answer as one example (weights, a standard deviation over everything) are held fixed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import ORACLES, SCALINGS, Scores, l2, none, regularised
from pruning_oracle.reports.agreement.correlation import LEAST, correlate, kendall, mean_over_sites, standard_ranks
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN, ceilings
from pruning_oracle.reports.agreement.resampling import FRESH, draws, interval, reduce
from pruning_oracle.reports.inputs.read import EXAMPLES, Run

FLOPS = "l2, flops"  # ℓ2 scaling, and then eq. 9 with the paper's λ


@dataclass(frozen=True)
class Ranks:
    """Standard ranks of scores: within each site, and over all sites in each scaling."""

    sites: Scores
    whole: dict[str, np.ndarray]


Scalings = Mapping[str, Callable[[Scores], Scores]]


def scalings(run: Run) -> Scalings:
    """What makes scores of different sites of a run's network comparable."""
    mflops = [site["mflops"] for site in run.oracle.facts["sites"]]
    return SCALINGS | {FLOPS: lambda scores: regularised(l2(scores), mflops)}


def ranks(scores: Scores, scaled: Scalings) -> Ranks:
    """Ranks of scores, `[map]` or `[resample, map]`; a site whose scores do not depend on the examples has one resample."""
    rows = max(site.shape[:-1] for site in scores)
    whole = {
        name: standard_ranks(np.concatenate([np.broadcast_to(part, (*rows, part.shape[-1])) for part in scale(scores)], -1))
        for name, scale in scaled.items()
    }
    return Ranks([standard_ranks(site) for site in scores], whole)


@dataclass(frozen=True)
class Graded:
    """Scores with their ranks and those of their resamples."""

    scores: Scores
    ranks: Ranks
    resampled: Ranks


@dataclass(frozen=True)
class GradedOracle:
    """One oracle of a run, and its noise ceilings."""

    name: str
    graded: Graded
    ceilings: dict[str, float]


def graded(reduction: Any, matrices: Scores, weights: np.ndarray, scaled: Scalings, errors: Scores | None = None) -> Graded:
    """Scores of saliencies, one matrix per site, and of their resamples."""
    scores = reduce(reduction, matrices)
    return Graded(scores, ranks(scores, scaled), ranks(reduce(reduction, matrices, weights, errors), scaled))


def graded_oracles(run: Run) -> list[GradedOracle]:
    """The oracles that criteria are graded against."""
    changes, errors = ([of(site) for site in run.sites] for of in (run.change, run.error))
    weights = draws(len(changes[0]), run.seed)
    return [
        GradedOracle(
            name,
            graded(reduction, changes, weights, {"none": none}, errors),
            ceilings(run.sites, changes, reduction, run.seed, errors),
        )
        for name, reduction in ORACLES.items()
    ]


def grade(run: Run) -> pd.DataFrame:
    """The tidy table of a run: one row per criterion, scope, scaling, oracle and set of examples."""
    maps = [run.change(site).shape[1] for site in run.sites]
    if sum(maps) < LEAST:
        raise BadInput(f"{run.case} has {sum(maps)} maps in all; a rank correlation needs at least {LEAST}")
    rows: list[dict[str, Any]] = []
    known, scaled = graded_oracles(run), scalings(run)
    for criterion in run.criteria.facts["criteria"]:
        reduction = run.reduction(criterion)
        for examples in EXAMPLES:
            matrices = [run.saliency(criterion, site, examples) for site in run.sites]
            count = run.criteria.facts[examples]["examples"]
            stream = run.seed if examples == "shared" else run.seed + FRESH
            guess = graded(reduction, matrices, draws(count, stream), scaled)
            for target in known:
                for row in _compare(run.sites, maps, target, guess, scaled):
                    rows.append({"criterion": criterion, "oracle": target.name, "examples": examples} | row)
    table = pd.DataFrame(rows).assign(case=run.case, seed=run.seed, n=run.oracle.facts["examples"])
    head = ["case", "seed", "criterion", "scope", "scaling", "oracle", "examples"]
    return table[[*head, "spearman", "kendall", "low", "high", "ceiling", "maps", "n"]]


def _compare(sites: list[str], maps: list[int], target: GradedOracle, guess: Graded, scaled: Scalings) -> list[dict[str, Any]]:
    """Rows for every scope and scaling of one criterion against one oracle."""
    rows: list[dict[str, Any]] = []

    def add(scope: str, scaling: str, size: int, value: Any, tau: float, drawn: np.ndarray) -> None:
        low, high = interval(float(value), drawn, size)
        found = {"spearman": float(value), "kendall": tau, "low": low, "high": high, "ceiling": target.ceilings[scope]}
        rows.append({"scope": scope, "scaling": scaling, "maps": size} | found)

    truth = target.graded
    values = [correlate(a, b) for a, b in zip(guess.ranks.sites, truth.ranks.sites, strict=True)]
    drawn = [correlate(a, b) for a, b in zip(guess.resampled.sites, truth.resampled.sites, strict=True)]
    taus = [kendall(a, b) for a, b in zip(guess.scores, truth.scores, strict=True)]
    for site, size, value, tau, draw in zip(sites, maps, values, taus, drawn, strict=True):
        add(site, "none", size, value, tau, draw)
    defined = sum(size for size, value in zip(maps, values, strict=True) if not np.isnan(value))
    tau = float(mean_over_sites([np.array(tau) for tau in taus]))
    add(MEAN, "none", defined, mean_over_sites(values), tau, mean_over_sites(drawn))
    for name, scale in scaled.items():
        value = correlate(guess.ranks.whole[name], truth.ranks.whole["none"])
        drawn_whole = correlate(guess.resampled.whole[name], truth.resampled.whole["none"])
        tau = kendall(np.concatenate(scale(guess.scores)), np.concatenate(truth.scores))
        add(ALL, name, sum(maps), value, tau, drawn_whole)
    return rows
