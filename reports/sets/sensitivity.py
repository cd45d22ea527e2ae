"""Layer sensitivity: what it costs to remove a growing share of one site's maps, the lowest by a chooser's scores."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sets.chosen import ChosenSet, check_shares, lowest, scores_of

SHARES = tuple(tenth / 10 for tenth in range(1, 10))
CHOOSERS = ("taylor", "weight_l2", "oracle_mean_abs", "random")  # by default, those of them that the run has


def sensitivity_sets(
    run: Run, names: Sequence[str], by: Sequence[str] | None = None, shares: Sequence[float] = SHARES
) -> list[ChosenSet]:
    """The lowest maps of every site, alone, by the scores of some choosers, for every share; at least one map stays.

    Args:
        run: an oracle and criteria of one network; criteria choose by scores on fresh examples.
        names: what the sites are called in the sets.
        by: the choosers (default: `CHOOSERS`); `["all"]` are all that there are.
        shares: of a site's maps that go, above 0 and below 1.

    Returns:
        The sets, whose scope is their site. A share that takes no map, as at a site with only one, gives none.

    Raises:
        BadInput: no criterion or oracle has such a name, one is named twice, or a share is out of bounds.
    """
    check_shares(shares)
    scores = scores_of(run)
    usual = [name for name in CHOOSERS if name in scores]
    chosen = usual if by is None else list(scores) if list(by) == ["all"] else list(by)
    for place, name in enumerate(chosen):
        if name not in scores:
            raise unknown("chooser", name, scores)
        if name in chosen[:place]:
            raise BadInput(f"chooser {name} is named twice; allowed is each once")
    return [
        ChosenSet(chooser, name, "none", share, {name: maps})
        for place, name in enumerate(names)
        for chooser in chosen
        for share in shares
        if (maps := lowest(scores[chooser][place], share))
    ]


def sensitivity_table(sets: Sequence[ChosenSet], joint: np.ndarray, seed: int) -> pd.DataFrame:
    """A row per site, chooser and share, in the order of the sets: what removing these maps alone costs.

    Args:
        sets: what `sensitivity_sets` returned.
        joint: their joint losses, `[example, set]` in nats.
        seed: of the bootstrap over examples.

    Returns:
        Columns `site, chooser, share, maps` (removed), `joint_loss` (mean over examples, nats), `low` and `high` (95 % interval
        over examples), `n` (examples).

    Raises:
        BadInput: there are not as many columns of joint losses as sets.
    """
    if joint.shape[1] != len(sets):
        raise BadInput(f"{joint.shape[1]} joint losses of {len(sets)} sets: give one column for each set")
    table = pd.DataFrame(
        [
            {"site": one.scope, "chooser": one.chooser, "share": one.share, "maps": sum(map(len, one.maps.values()))}
            for one in sets
        ]
    )
    low, high = np.quantile(draws(len(joint), seed) @ joint, [0.025, 0.975], axis=0)
    return table.assign(joint_loss=joint.mean(0), low=low, high=high, n=len(joint))
