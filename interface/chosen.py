"""chosen_sets(): the sets of maps that criteria and oracles would remove; regrets(): what their choice costs."""

from collections.abc import Sequence

import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.joint import JointLosses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.reports.inputs.read import joined_run, shown_run
from pruning_oracle.reports.sets import chosen, regret
from pruning_oracle.reports.sets.chosen import SHARES, ChosenSet


def chosen_sets(
    truth: Truth, guesses: Guesses, shares: Sequence[float] = SHARES, flops_lambda: float = 1e-3
) -> list[ChosenSet]:
    """The sets of maps that criteria and oracles would remove: their lowest scores within each site, and over all sites.

    Args:
        truth: what `measure` returned; its matrix chooses as `oracle_abs`, `oracle_loss` and `oracle_mean_abs`.
        guesses: what `score` returned for the same case; criteria choose by their scores on fresh examples.
        shares: of the maps that go (default 0.1, 0.25, 0.5); at least one map stays at every site.
        flops_lambda: what a map's scaled score loses per MFLOP of making it, in sets over all sites whose scaling ends in
            `, flops` (default: the paper's λ; `prune` has one for each case).

    Returns:
        The sets, each with its `chooser`, `scope`, `scaling`, `share`, `flops` (the share of the FLOPs of making all maps
        that they take) and `maps`, which `joint_loss` takes.

    Raises:
        BadInput: the two are of different networks or examples, or a share is out of bounds.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, rows=range(8), budget=0.25, device="cpu")
        >>> guesses = po.score(case, ["taylor", "weight_l2"], rows=range(8), device="cpu")
        >>> sorted({one.chooser for one in po.chosen_sets(truth, guesses)})
        ['oracle_abs', 'oracle_loss', 'oracle_mean_abs', 'taylor', 'weight_l2']
    """
    facts = truth.file.facts
    run = shown_run(joined_run(truth.file, guesses.file, facts["case"], facts["seed"]))
    return chosen.chosen_sets(run, list(truth.sites), shares, flops_lambda)


def regrets(sets: Sequence[ChosenSet], losses: JointLosses) -> pd.DataFrame:
    """What removing each chosen set costs, and how much more than the cheapest set of the same share and scope.

    Args:
        sets: what `chosen_sets` returned.
        losses: what `joint_loss` returned for their maps, best on examples that neither truth nor guesses saw.

    Returns:
        A row per set: see `reports/sets/regret.py`; joint losses and regrets in nats, with 95 % intervals over examples. Where
        `joint_loss` was asked for a repair, further rows with its name as `repair` hold the joint losses after it.

    Raises:
        BadInput: the losses are of other sets.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, rows=range(8), budget=0.25, device="cpu")
        >>> sets = po.chosen_sets(truth, po.score(case, "taylor", rows=range(8), device="cpu"), shares=[0.25])
        >>> losses = po.joint_loss(case, [one.maps for one in sets], rows=range(100, 116), device="cpu")
        >>> round(float(po.regrets(sets, losses).regret.min()), 6)
        0.0
    """
    if losses.sets != [MapSet.of(one.maps) for one in sets]:
        raise BadInput("the joint losses are of other sets: give joint_loss [one.maps for one in sets]")
    joint = {"none": losses.joint} | ({} if losses.repaired is None else {losses.repair: losses.repaired})
    tables = [regret.regret_table(sets, own, losses.file.facts["seed"], repair) for repair, own in joint.items()]
    return pd.concat(tables, ignore_index=True)
