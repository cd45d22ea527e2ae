"""Ranking: scores of all maps, from a criterion's evidence or from the oracle itself, and which maps to delete next."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.needed import by_site, may_go, one_of_each_site
from pruning_oracle.bench.cutting.surgery import Pruned
from pruning_oracle.bench.cutting.wiring import Owner
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import cost, memory
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.scores import ORACLES, SCALINGS, regularised
from pruning_oracle.criteria.criterion import Criterion, Evidence
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure


def size_of_passes(case: Case, size: int) -> int:
    """How many examples a scoring pass has: `size`, or as many as half of the default memory holds if that is fewer."""
    return min(size, memory.batch_size(case, memory.default_memory(case.device)))


def by_oracle(case: Case, name: str, rows: Sequence[int], size: int) -> list[np.ndarray]:
    """The scores `[map]` of every site by the oracle `name`, measured on the training examples `rows`, `size` at a time."""
    found = measure(case, Replay(case, memory.default_memory(case.device)), rows, size_of_passes(case, size)).changes
    return [np.asarray(ORACLES[name](found[site.name]).double()) for site in case.sites]


def by_criterion(case: Case, criterion: Criterion, evidence: Mapping[str, Evidence]) -> list[np.ndarray]:
    """A criterion's scores `[map]` of every site, from the evidence by site."""
    with torch.no_grad():
        scores: list[Tensor] = [criterion.reduce(criterion(evidence[site.name])) for site in case.sites]
    return [np.asarray(score.cpu().double()) for score in scores]


def scaled(case: Case, scores: list[np.ndarray], settings: PruningSettings) -> list[np.ndarray]:
    """Scores made comparable between sites, less λ times the MFLOPs that a map of the site costs in the present network."""
    found = SCALINGS[settings.scaling](scores)
    if settings.flops_lambda == 0:
        return found
    mflops = cost.making(case)
    return regularised(found, [mflops[site.name] / 1e6 for site in case.sites], settings.flops_lambda)


def lowest(
    case: Case, scores: Sequence[np.ndarray], count: int, needed: Collection[frozenset[Owner]] | None = None
) -> dict[str, list[int]]:
    """The `count` maps to delete next, by site: those of the lowest scores, but never the last of a set of `needed`.

    By default one map of every site is needed. Raises BadInput for a NaN score.
    """
    order = sorted((float(score), place, index) for place, site in enumerate(scores) for index, score in enumerate(site))
    for score, place, index in order:
        if math.isnan(score):
            raise BadInput(f"{case.name}: the score of map {index} of site {case.sites[place].name!r} is undefined")
    owners = [(case.sites[place].name, index) for _, place, index in order]
    going = may_go(one_of_each_site(case) if needed is None else needed, owners)
    return by_site(itertools.islice(going, count))


def removable(pruned: Pruned) -> bool:
    """Whether a map can still be deleted."""
    every = [(site.name, index) for site in pruned.case.sites for index in range(site.maps)]
    return any(True for _ in may_go(pruned.needed, every))
