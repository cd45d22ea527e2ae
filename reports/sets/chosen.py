"""The sets of maps that criteria and oracles would remove: their lowest scores within each site, and over all sites."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.scores import ORACLES, SCALINGS, Scores, mean_abs, regularised
from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.inputs.read import Run

SHARES = (0.1, 0.25, 0.5)  # of the maps that are removed
WITHIN = "each site"  # the scope of sets that take as large a share of every site
SCALED = ("none", "l2", "rank")  # scalings that sets over all sites are chosen by, without and with a price for FLOPs
PRICED = ", flops"  # behind a scaling: λ times the MFLOPs of making a map is taken off (the paper's equation 9)
TRUTHS = ORACLES | {"oracle_mean_abs": mean_abs}  # the oracle's own matrix in other reductions, as choosers


@dataclass(frozen=True)
class ChosenSet:
    """The maps that a criterion or an oracle removes: a share of `each site`, or of `all sites` by scaled scores.

    `flops` is the share of the FLOPs of making all maps that these take.
    """

    chooser: str
    scope: str
    scaling: str
    share: float
    maps: dict[str, list[int]]
    flops: float = math.nan


def chosen_sets(
    run: Run, names: Sequence[str] | None = None, shares: Sequence[float] = SHARES, flops_lambda: float = 1e-3
) -> list[ChosenSet]:
    """The sets that the criteria of a run, scored on fresh examples, and its oracles choose.

    Args:
        run: an oracle and criteria of one network.
        names: what the sites are called in the sets (default: as in the run).
        shares: of the maps that go, above 0 and below 1. At least one map stays at every site.
        flops_lambda: what a map's scaled score loses per MFLOP of making it (default: the paper's λ).

    Returns:
        For every chooser and share a set within each site, and over all sites one for each scaling of `SCALED` and one for
        each of them with the price for FLOPs.

    Raises:
        BadInput: a share is out of bounds.
    """
    check_shares(shares)
    called, found = list(names or run.sites), list[ChosenSet]()
    mflops = [site["mflops"] for site in run.oracle.facts["sites"]]
    for chooser, scores in scores_of(run).items():
        scaled = {name: SCALINGS[name](scores) for name in SCALED}
        scaled |= {name + PRICED: regularised(own, mflops, flops_lambda) for name, own in scaled.items()}
        for share in shares:
            chosen = [(WITHIN, "none", [lowest(score, share) for score in scores])]
            chosen += [(ALL, scaling, lowest_of_all(own, share)) for scaling, own in scaled.items()]
            for scope, scaling, maps in chosen:
                saved = share_of_flops(maps, mflops, list(map(len, scores)))
                found.append(ChosenSet(chooser, scope, scaling, share, named(called, maps), saved))
    return found


def share_of_flops(maps: Sequence[Sequence[int]], mflops: Sequence[float], sizes: Sequence[int]) -> float:
    """The share of the FLOPs of making all maps that some take: the maps, the price of one and their number, site by site."""
    whole = sum(cost * size for cost, size in zip(mflops, sizes, strict=True))
    return sum(cost * len(own) for cost, own in zip(mflops, maps, strict=True)) / whole if whole else math.nan


def check_shares(shares: Sequence[float]) -> None:
    """Raises BadInput for a share that is not above 0 and below 1."""
    for share in shares:
        if not 0 < share < 1:
            raise BadInput(f"a share of maps is {share}; allowed are numbers above 0 and below 1")


def scores_of(run: Run) -> dict[str, Scores]:
    """The scores of every criterion, on fresh examples, and of every oracle, by name: one array per site."""
    guessed = {
        name: [np.asarray(run.reduction(name)(run.saliency(name, site, "fresh"))) for site in run.sites]
        for name in run.criteria.facts["criteria"]
    }
    return guessed | {name: [np.asarray(reduce(run.change(site))) for site in run.sites] for name, reduce in TRUTHS.items()}


def lowest(score: np.ndarray, share: float) -> list[int]:
    """The maps of a site with the lowest scores, as many as a share of them, but never all; of equal ones the first."""
    count = min(round(share * len(score)), len(score) - 1)
    return sorted(np.argsort(score, kind="stable")[:count].tolist())


def lowest_of_all(scores: Scores, share: float) -> list[list[int]]:
    """The maps of all sites with the lowest scores, as many as a share of them; a site's last map stays."""
    sites = np.concatenate([np.full(len(score), place) for place, score in enumerate(scores)])
    maps = np.concatenate([np.arange(len(score)) for score in scores])
    gone: list[list[int]] = [[] for _ in scores]
    left = round(share * len(sites))
    for place in np.argsort(np.concatenate(scores), kind="stable"):
        site = int(sites[place])
        if left and len(gone[site]) < len(scores[site]) - 1:
            gone[site].append(int(maps[place]))
            left -= 1
    return [sorted(own) for own in gone]


def named(names: Sequence[str], maps: Sequence[list[int]]) -> dict[str, list[int]]:
    """The maps of each site that has any, by the site's name."""
    return {name: own for name, own in zip(names, maps, strict=True) if own}
