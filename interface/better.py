"""better_sets(): how good a set can be at all, and why the single-map oracle does not choose the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.runs.bounds import EXAMPLES, SHARE, TWO_OR_MORE
from pruning_oracle.bench.scores import mean, mean_abs
from pruning_oracle.interface import result
from pruning_oracle.interface.better_study import Study
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.joint import JointLosses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.reports.sets import better, shapley
from pruning_oracle.reports.sets.chosen import ChosenSet

PAPERS = "oracle_abs"  # the paper's target, which every set is compared with


@dataclass(frozen=True)
class BetterSets:
    """What better sets cost: `table`, a row per set, and `shapley`, a row per map, as `reports/sets` makes them."""

    table: pd.DataFrame
    shapley: pd.DataFrame
    seconds: float  # that measuring took, now or before


def better_sets(
    case: Case,
    truth: Truth,
    guesses: Guesses,
    sets: Sequence[ChosenSet],
    losses: JointLosses,
    *,
    examples: int = 64,
    orders: int = 16,
    step: float = 0.05,
    folder: str | Path | None = None,
    **computing: Any,
) -> BetterSets:
    """Upper controls: sets that are chosen on the oracle's own examples with more than one map removed at a time.

    `greedy` and `greedy_mean_abs` measure the oracle anew after every removal; `shapley` and `shapley_mean_abs` rank maps by
    what they change after a random share of the others; `pairs` and `pairs_mean_abs` minimise the sum of single changes, or of
    their magnitudes, and of interactions that curvature guesses. Beside them stand the oracle's own matrix in other reductions
    and scalings and on fewer examples.

    Args:
        case: what `case` or `load` returned.
        truth: what `measure` returned; sets are chosen on its examples.
        guesses: what `score` returned; curvature is taken on its fresh examples.
        sets: what `chosen_sets` returned, or those of some shares: better sets are of the same shares.
        losses: what `joint_loss` returned for their maps, on examples that neither truth nor guesses saw.
        examples: how many of the oracle's examples greedy removals, random orders and curvature use (fewer if it has fewer).
        orders: random orders for Shapley values.
        step: the share of the maps that goes before the greedy oracle is measured anew.
        folder: for the files of what is measured; work that was interrupted goes on when it is given again.
        computing: `batch`, `memory`, `device` and `precision`, as `joint_loss` takes them.

    Returns:
        The table of all sets, those of criteria among them, and the Shapley values.

    Raises:
        BadInput: a number is out of bounds, or the results are of different sets or networks.

    Examples:
        >>> import torch, pruning_oracle as po
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 2))
        >>> data = torch.randn(30, 1, 4, 4), torch.arange(30) % 2
        >>> case = po.case(model.eval(), data, data)
        >>> truth, guesses = po.measure(case, rows=range(8)), po.score(case, "taylor", rows=range(8), fresh=8)
        >>> sets = po.chosen_sets(truth, guesses, shares=[0.5])
        >>> losses = po.joint_loss(case, [one.maps for one in sets], rows=range(20, 30))
        >>> found = po.better_sets(case, truth, guesses, sets, losses, examples=8, orders=4, step=0.25)
        >>> "greedy" in set(found.table.chooser)
        True
    """
    EXAMPLES.check("--examples", examples)
    TWO_OR_MORE.check("--orders", orders)
    SHARE.check("--step", step)
    if not {MapSet.of(one.maps) for one in sets} <= set(losses.sets):
        raise BadInput("the joint losses lack some of the sets: give joint_loss [one.maps for one in sets]")
    if {(one.scope, one.share) for one in sets} > {(one.scope, one.share) for one in sets if one.chooser == PAPERS}:
        raise BadInput(f"some of the sets lack their like by {PAPERS}: give what chosen_sets returned")
    shares = sorted({one.share for one in sets})
    with result.place(None if folder is None else Path(folder) / "better-sets", "better-sets") as place:
        study = Study(case, truth, guesses, place.parent, examples, computing)
        found = [*study.reductions(shares), *study.greedy(shares, step), *study.pairs(shares)]
        steps = study.steps(orders, max(shares))
        for name, reduce in (("shapley", mean), ("shapley_mean_abs", mean_abs)):
            found += better.by_scores(name, study.by_site(shapley.values(steps, reduce)), list(study.sizes), shares, ("none",))
        table = study.table(sets, losses, found, _middle(shares))
        values = shapley.shapley_table(steps, study.sizes, truth.file.facts["seed"])
        return BetterSets(table, values, study.seconds)


def _middle(shares: Sequence[float]) -> float:
    """The share whose sets are taken apart."""
    return shares[(len(shares) - 1) // 2]
