"""reference_sets(): random sets that scores are tried on; datamodeling_scores() and additivity(): what they say."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet, random_sets
from pruning_oracle.bench.runs.bounds import REFERENCE_SETS, SEED, SHARE
from pruning_oracle.interface import result
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.joint import JointLosses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.inputs.read import joined_run, shown_run
from pruning_oracle.reports.sets.additivity import additivity_table
from pruning_oracle.reports.sets.chosen import scores_of
from pruning_oracle.reports.sets.datamodeling import datamodeling_table
from pruning_oracle.reports.sets.reference import SHARES, SINGLE, ReferenceSet, check_distinct

WITHIN = 10  # sets of each share within each site alone


def reference_sets(case: Case, count: int = 100, shares: Sequence[float] = SHARES, seed: int = 0) -> list[ReferenceSet]:
    """Random sets on which scores are tried, and the single maps beside which their joint losses are seen.

    Args:
        case: whose maps they are.
        count: sets over all sites for each share, at least 10.
        shares: of the maps that are removed (default 0.02, 0.05, 0.1, 0.2).
        seed: what they are drawn from.

    Returns:
        Sets over all sites; 10 of each share within each site alone, where that is two maps or more; and every map alone.

    Raises:
        BadInput: a number is out of bounds, so many maps cannot be removed, or so few sets differ that they have no ranks.

    Examples:
        >>> import pruning_oracle as po
        >>> sets = po.reference_sets(po.load("vgg-digits"), count=10, shares=[0.1])
        >>> [sum(map(len, one.maps.values())) for one in sets if one.scope == "all sites"][:3]
        [53, 53, 53]
    """
    REFERENCE_SETS.check("--sets", count)
    SEED.check("--draw-seed", seed)
    found = list[ReferenceSet]()
    for place, share in enumerate(shares):
        SHARE.check("share", share)
        drawn = random_sets(case, count, share, int(np.random.default_rng([seed, place]).integers(2**32)))
        found += [ReferenceSet(ALL, share, one.named) for one in drawn]
    check_distinct(found)
    for place, site in enumerate(case.sites):
        found += _within(site, shares, np.random.default_rng([seed, len(shares), place]))
    alone = [(site.name, index) for site in case.sites if site.maps > 1 for index in range(site.maps)]
    return found + [ReferenceSet(SINGLE, 0.0, {site: [index]}) for site, index in alone]


def _within(site: Site, shares: Sequence[float], random: np.random.Generator) -> list[ReferenceSet]:
    sizes = {share: round(share * site.maps) for share in shares}
    return [
        ReferenceSet(site.name, share, {site.name: sorted(random.choice(site.maps, size, replace=False).tolist())})
        for share, size in sizes.items()
        if 2 <= size < site.maps
        for _ in range(WITHIN)
    ]


def datamodeling_scores(truth: Truth, guesses: Guesses, sets: Sequence[ReferenceSet], losses: JointLosses) -> pd.DataFrame:
    """The linear datamodeling score: how well the summed scores of each criterion and oracle rank random sets.

    Args:
        truth: what `measure` returned; its matrix counts as `oracle_abs`, `oracle_loss` and `oracle_mean_abs`.
        guesses: what `score` returned for the same case; criteria are taken on fresh examples.
        sets: what `reference_sets` returned.
        losses: what `joint_loss` returned for their maps, best on examples that neither truth nor guesses saw.

    Returns:
        A row per chooser, share and scaling: see `reports/sets/datamodeling.py`. The chooser `single_changes` sums the
        single changes measured on the very examples of the joint losses.

    Raises:
        BadInput: truth and guesses, or sets and losses, are not of each other.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, rows=range(8), budget=0.25, device="cpu")
        >>> guesses = po.score(case, ["taylor", "weight_l2"], rows=range(8), device="cpu")
        >>> sets = po.reference_sets(case, count=10, shares=[0.02])
        >>> losses = po.joint_loss(case, [one.maps for one in sets], rows=range(100, 104), device="cpu")
        >>> table = po.datamodeling_scores(truth, guesses, sets, losses)
        >>> table.chooser.unique().tolist()[:3]
        ['taylor', 'weight_l2', 'oracle_abs']
    """
    facts = truth.file.facts
    run = shown_run(joined_run(truth.file, guesses.file, facts["case"], facts["seed"]))
    _check_same(sets, losses)
    return datamodeling_table(scores_of(run), truth.sites, sets, losses.joint, losses.file.facts["seed"])


def additivity(sets: Sequence[ReferenceSet], losses: JointLosses) -> pd.DataFrame:
    """How far changes in loss are from adding, over all sites and within each: joint losses beside sums of single changes.

    Args:
        sets: what `reference_sets` returned.
        losses: what `joint_loss` returned for their maps.

    Returns:
        A row per scope and share: see `reports/sets/additivity.py`.

    Raises:
        BadInput: the losses are of other sets.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> sets = po.reference_sets(case, count=10, shares=[0.02])
        >>> losses = po.joint_loss(case, [one.maps for one in sets], rows=range(4), device="cpu")
        >>> po.additivity(sets, losses)[["scope", "maps", "sets"]].to_numpy().tolist()
        [['all sites', 11, 10]]
    """
    _check_same(sets, losses)
    return additivity_table(result.sites_of(losses.file), sets, losses.joint, losses.file.facts["seed"])


def _check_same(sets: Sequence[ReferenceSet], losses: JointLosses) -> None:
    if losses.sets != [MapSet.of(one.maps) for one in sets]:
        raise BadInput("the joint losses are of other sets: give joint_loss [one.maps for one in sets]")
