"""Interactions of pairs of maps: a table, their means and totals by the drawing design, and how well a guess ranks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pruning_oracle.reports.agreement.resampling import RESAMPLES, draws, interval

SURE = 1 - 1e-9  # a probability from here on counts as 1


@dataclass(frozen=True)
class Pairs:
    """Pairs of maps that were drawn, and their measured interactions.

    `maps` names site and map of the first, then of the second; `probability` is `[pair]`, `interaction` `[example, pair]` in
    nats: joint loss of both less the sum of theirs alone.
    """

    maps: Sequence[tuple[str, int, str, int]]
    probability: np.ndarray
    interaction: np.ndarray

    @property
    def within(self) -> np.ndarray:
        """Whether both maps are of one site, `[pair]`."""
        return np.array([a == b for a, _, b, _ in self.maps])


def interaction_table(pairs: Pairs, guess: np.ndarray, seed: int) -> pd.DataFrame:
    """A row per pair: columns `site_a, map_a, site_b, map_b, probability, interaction, low, high, n, curvature`.

    `interaction` is a mean over `n` examples in nats, with a 95 % interval by bootstrap over them; `curvature` is the `guess`.
    """
    low, high = np.quantile(draws(len(pairs.interaction), seed) @ pairs.interaction, [0.025, 0.975], axis=0)
    table = pd.DataFrame(pairs.maps, columns=["site_a", "map_a", "site_b", "map_b"])
    table = table.assign(probability=pairs.probability, interaction=pairs.interaction.mean(0), low=low, high=high)
    return table.assign(n=len(pairs.interaction), curvature=guess)


def total(values: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """The total over all pairs that could have been drawn (Horvitz–Thompson), and its standard error by the drawing.

    `values` and `probability` are those of the pairs drawn, `[pair]`. The variance is Hájek's for a fixed number of pairs.
    """
    parts, open_ = values / probability, np.where(probability < SURE, 1 - probability, 0.0)
    count = int((open_ > 0).sum())
    if count < 2:
        return float(parts.sum()), 0.0 if not count else float("nan")
    centre = (open_ * parts).sum() / open_.sum()
    return float(parts.sum()), float(np.sqrt(count / (count - 1) * (open_ * (parts - centre) ** 2).sum()))


def drawn_total(pairs: Pairs, seed: int) -> tuple[float, float]:
    """The total of the mean interactions over all pairs, and its standard error by the drawing and by the examples."""
    value, error = 0.0, 0.0
    for kind in (pairs.within, ~pairs.within):  # drawn apart
        own, spread = total(pairs.interaction.mean(0)[kind], pairs.probability[kind])
        value, error = value + own, error + spread**2
    of_examples = draws(len(pairs.interaction), seed) @ (pairs.interaction / pairs.probability).sum(1)
    return value, float(np.sqrt(error + of_examples.var()))


def site_means(table: pd.DataFrame, sites: Sequence[str], magnitude: bool) -> pd.DataFrame:
    """The mean interaction of the pairs of every two sites, or its mean `magnitude`, weighted by 1 ÷ probability (Hájek).

    A square table over `sites`, NaN where no pair was drawn.
    """
    value = table.interaction.abs() if magnitude else table.interaction
    parts = pd.DataFrame({"a": table.site_a, "b": table.site_b, "weight": 1 / table.probability}).assign(value=value)
    parts["weighted"] = parts.value * parts.weight
    sums = parts.groupby(["a", "b"])[["weighted", "weight"]].sum()
    grid = (sums.weighted / sums.weight).unstack().reindex(index=list(sites), columns=list(sites))
    return grid.where(grid.notna(), grid.T)


def adding_table(
    joint: Mapping[float, np.ndarray], singles: np.ndarray, pairs: Pairs, counts: Mapping[float, int], seed: int
) -> pd.DataFrame:
    """What of the joint loss of random sets single changes explain, what pairs, and what is left to more maps together.

    Args:
        joint: by share, the joint losses of random sets of that share, `[example, set]` in nats.
        singles: the change in loss of every map alone, `[example, map]`.
        pairs: the pairs that were drawn of these maps.
        counts: by share, how many maps a set has.
        seed: of the bootstrap over examples and sets.

    Returns:
        Columns `share, sets, maps, n`; `joint_loss`, `singles`, `pairs` and `higher`, what is left, each a mean over sets and
        examples with `_low` and `_high`, a 95 % interval. A random set of k of K maps holds a map with probability k/K and a
        pair with k (k − 1)/(K (K − 1)), by which the totals count.
    """
    rows, maps = [], singles.shape[1]
    weights, random = draws(len(singles), seed), np.random.default_rng([seed, 19])
    pair_total, pair_error = drawn_total(pairs, seed)
    for share, losses in joint.items():
        k, sets = counts[share], losses.shape[1]
        alike, both = k / maps, k * (k - 1) / (maps * (maps - 1))
        chosen = random.multinomial(sets, np.full(sets, 1 / sets), RESAMPLES) / sets
        resampled = {"joint_loss": ((weights @ losses) * chosen).sum(1), "singles": alike * (weights @ singles.sum(1))}
        resampled["pairs"] = both * (pair_total + pair_error * random.standard_normal(RESAMPLES))
        values = {"joint_loss": losses.mean(), "singles": alike * singles.sum(1).mean(), "pairs": both * pair_total}
        for of in (values, resampled):
            of["higher"] = of["joint_loss"] - of["singles"] - of["pairs"]
        row: dict[str, float] = {"share": share, "sets": sets, "maps": k, "n": len(losses)}
        for name, value in values.items():
            low, high = np.quantile(resampled[name], [0.025, 0.975])
            row |= {name: float(value), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def grades(pairs: Pairs, guess: np.ndarray, seed: int) -> pd.DataFrame:
    """How well a guess `[pair]` ranks the measured interactions: Spearman within sites, across them, and over all pairs.

    Pairs count by 1 ÷ probability, so that the figure is one of all pairs and not of those that are likely large.

    Returns:
        Columns `pairs` (which), `spearman` with `low` and `high`, a 95 % interval by bootstrap over pairs and examples, `drawn`
        (how many) and `n`, the examples.
    """
    rows, random = [], np.random.default_rng([seed, 23])
    resampled = draws(len(pairs.interaction), seed) @ pairs.interaction
    for name, kind in {"within": pairs.within, "across": ~pairs.within, "all": np.ones(len(guess), bool)}.items():
        count, weight = int(kind.sum()), 1 / pairs.probability[kind]
        if count < 3:
            continue
        value = weighted_spearman(guess[kind], pairs.interaction.mean(0)[kind], weight)
        drawn = []
        for means in resampled[:, kind]:
            times = random.multinomial(count, np.full(count, 1 / count))
            drawn.append(weighted_spearman(guess[kind], means, weight * times))
        low, high = interval(value, np.array(drawn), count)
        rows.append({"pairs": name, "spearman": value, "low": low, "high": high, "drawn": count, "n": len(pairs.interaction)})
    return pd.DataFrame(rows)


def weighted_spearman(one: np.ndarray, other: np.ndarray, weight: np.ndarray) -> float:
    """Spearman of two scores where each counts as often as its weight; NaN for a constant one."""
    ranks = [_ranks(score, weight) for score in (one, other)]
    centred = [rank - np.average(rank, weights=weight) for rank in ranks]
    both, *own = ((weight * a * b).sum() for a, b in ((centred[0], centred[1]), (centred[0],) * 2, (centred[1],) * 2))
    return float(both / np.sqrt(own[0] * own[1])) if own[0] > 0 and own[1] > 0 else float("nan")


def _ranks(score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Ranks where each counts as often as its weight; ties share the middle of theirs."""
    dense = rankdata(score, method="dense") - 1
    of_rank = np.bincount(dense, weights=weight)
    return (np.cumsum(of_rank) - of_rank / 2)[dense]
