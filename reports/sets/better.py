"""Sets that may be better than any ranking of single maps, and the table that sets them beside those that criteria choose."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import SCALINGS, Scores
from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.sets.chosen import SCALED, WITHIN, ChosenSet, lowest, lowest_of_all, named
from pruning_oracle.reports.sets.pairs import cheapest
from pruning_oracle.reports.sets.reductions import PAPER
from pruning_oracle.reports.sets.regret import regret_table

Sets = Sequence[ChosenSet]
# the choosers whose sets are taken apart by site, beside the best criterion: see `parts`
TAKEN_APART = (*PAPER, "oracle_rms", "greedy", "greedy_mean_abs", "shapley", "pairs", "pairs_mean_abs")


def by_scores(
    chooser: str, scores: Scores, sites: Sequence[str], shares: Sequence[float], scalings: Sequence[str] = SCALED
) -> list[ChosenSet]:
    """The sets of the lowest scores, one array per site: within each site, and over all sites by each scaling."""
    found = []
    for share in shares:
        found.append(ChosenSet(chooser, WITHIN, "none", share, named(sites, [lowest(score, share) for score in scores])))
        for scaling in scalings:
            maps = lowest_of_all(SCALINGS[scaling](scores), share)
            found.append(ChosenSet(chooser, ALL, scaling, share, named(sites, maps)))
    return found


def by_greed(facts: Iterable[Mapping[str, Any]]) -> list[ChosenSet]:
    """The sets that a file of greedy sets lists."""
    return [ChosenSet(one["chooser"], WITHIN if one["within"] else ALL, "none", one["share"], one["maps"]) for one in facts]


def by_pairs(
    chooser: str, singles: Scores, curvature: np.ndarray, sites: Sequence[str], shares: Sequence[float]
) -> list[ChosenSet]:
    """The sets that single changes, one array per site, and interactions `[map, map]` of all maps make the cheapest."""
    sizes, found = [len(own) for own in singles], []
    owners = np.repeat(np.arange(len(sizes)), sizes)
    for within in (True, False):
        for share in shares:
            counts = [min(round(share * size), size - 1) for size in sizes] if within else [round(share * sum(sizes))]
            gone: list[list[int]] = [[] for _ in sizes]
            for site, index in cheapest(np.concatenate(singles), curvature, owners, counts, within):
                gone[site].append(index)
            maps = named(sites, [sorted(own) for own in gone])
            found.append(ChosenSet(chooser, WITHIN if within else ALL, "none", share, maps))
    return found


def best_criteria(chosen: Sets, joint: np.ndarray, criteria: Iterable[str]) -> dict[tuple[str, float], int]:
    """The place of the cheapest set that a criterion chose, by scope and share; `joint` is `[example, set]` in nats."""
    known, costs, best = set(criteria), joint.mean(0), dict[tuple[str, float], int]()
    for place, one in enumerate(chosen):
        kind = one.scope, one.share
        if one.chooser in known and (kind not in best or costs[place] < costs[best[kind]]):
            best[kind] = place
    return best


def parts(one: ChosenSet) -> list[dict[str, list[int]]]:
    """What a set removes of each site, as sets of their own."""
    return [{site: maps} for site, maps in one.maps.items()]


def single_maps(one: ChosenSet) -> list[dict[str, list[int]]]:
    """The maps of a set, each as a set of its own."""
    return [{site: [index]} for site, maps in one.maps.items() for index in maps]


def better_table(
    chosen: Sets, joint: np.ndarray, best: Mapping[tuple[str, float], int], costs: Mapping[str, np.ndarray], seed: int
) -> pd.DataFrame:
    """A row per set: the columns of `regret_table`, and what sets it apart from the best criterion and from `oracle_abs`.

    Args:
        chosen: the sets, those of criteria among them.
        joint: their joint losses on examples that no chooser saw, `[example, set]` in nats.
        best: the place of the best criterion's set by scope and share.
        costs: further columns, one number per set, such as `singles`.
        seed: of the bootstrap over examples.

    Returns:
        The columns of `regret_table`; `best_criterion` and `over_criterion`, what a set costs more than that criterion's;
        `over_oracle_abs`, the same for the paper's oracle, scores as they are; both with `_low` and `_high`, a 95 % interval
        paired over examples; and the columns of `costs`.
    """
    table = regret_table(chosen, joint, seed)
    paper = {(one.scope, one.share): place for place, one in enumerate(chosen) if _plain(one, "oracle_abs")}
    kinds = [(one.scope, one.share) for one in chosen]
    table["best_criterion"] = [chosen[best[kind]].chooser for kind in kinds]
    for name, others in (("criterion", best), ("oracle_abs", paper)):
        extra = joint - joint[:, [others[kind] for kind in kinds]]
        low, high = np.quantile(draws(len(joint), seed) @ extra, [0.025, 0.975], axis=0)
        table = table.assign(**{f"over_{name}": extra.mean(0), f"over_{name}_low": low, f"over_{name}_high": high})
    return table.assign(**costs)


def taken_apart(chosen: Sets, best: Mapping[tuple[str, float], int], share: float) -> list[int]:
    """The places of the sets at this share that are taken apart: `TAKEN_APART`, scores as they are, and the best criterion."""
    own = [place for place, one in enumerate(chosen) if one.share == share and any(_plain(one, name) for name in TAKEN_APART)]
    return own + [place for (_, of), place in best.items() if of == share]


def _plain(one: ChosenSet, chooser: str) -> bool:
    return one.chooser == chooser and one.scaling == "none"


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row per scope and share: the sets of the paper's oracle, of the best criterion, and the best of all, as texts."""
    rows = []
    for (scope, share), own in table.groupby(["scope", "share"], sort=False):
        paper = own[(own.chooser == "oracle_abs") & (own.scaling == "none")].iloc[0]
        best = own.iloc[int(own.joint_loss.argmin())]
        criterion = best.joint_loss - best.over_criterion
        between = f"{best.over_criterion:.3f} ({best.over_criterion_low:.3f} to {best.over_criterion_high:.3f})"
        rows.append(
            {"maps that go": f"{share:.0%} of {scope}", "oracle_abs": f"{paper.joint_loss:.3f}"}
            | {"best criterion": f"{own.best_criterion.iloc[0]} {criterion:.3f}"}
            | {"best of all": f"{best.chooser} {best.joint_loss:.3f}", "it costs more by": between}
        )
    return pd.DataFrame(rows).map(lambda text: text.replace("-", "−") if text[:1] in "-0" else text)
