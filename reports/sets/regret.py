"""Regret: how much more the set costs that a chooser removes than the cheapest set known of the same share and scope."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.reports.agreement.resampling import draws
from pruning_oracle.reports.sets.chosen import ChosenSet


def regret_table(chosen: Sequence[ChosenSet], joint: np.ndarray, seed: int, repair: str = "none") -> pd.DataFrame:
    """A row per chosen set: what removing it costs, and its regret.

    The cheapest set is found on the very examples, so that a regret of nearly 0 is a little too good: its interval, paired
    over examples, says how far it can be told apart. Sets over all sites compete whatever their scaling.

    Args:
        chosen: the sets.
        joint: their joint losses on examples that no chooser saw, `[example, set]` in nats, in the same order.
        seed: of the bootstrap over examples.
        repair: after which the joint losses were taken.

    Returns:
        Columns `chooser, scope, scaling, share, maps, flops` (the share of the FLOPs of making all maps), `repair`;
        `joint_loss` (mean over examples, nats) with `low` and `high`, a 95 % interval over examples; `regret` (nats) with
        `regret_low` and `regret_high`; `best`, the chooser of the cheapest set; and `n`, the number of examples.

    Raises:
        BadInput: there are not as many columns of joint losses as sets.
    """
    if joint.shape[1] != len(chosen):
        raise BadInput(f"{joint.shape[1]} joint losses of {len(chosen)} sets: give one column for each set")
    table = pd.DataFrame(
        [
            {"chooser": one.chooser, "scope": one.scope, "scaling": one.scaling, "share": one.share}
            | {"maps": sum(map(len, one.maps.values())), "flops": one.flops, "joint_loss": cost}
            for one, cost in zip(chosen, joint.mean(0).tolist(), strict=True)
        ]
    )
    best = table.groupby(["scope", "share"]).joint_loss.transform("idxmin").to_numpy()
    resampled = draws(len(joint), seed) @ joint
    extra = resampled - resampled[:, best]
    for name, values in (("", resampled), ("regret_", extra)):
        table[f"{name}low"], table[f"{name}high"] = np.quantile(values, [0.025, 0.975], axis=0)
    table["regret"] = joint.mean(0) - joint.mean(0)[best]
    table["best"] = [chosen[place].chooser for place in best]
    table["repair"] = repair
    order = ["chooser", "scope", "scaling", "share", "maps", "flops", "repair", "joint_loss", "low", "high"]
    return table[[*order, "regret", "regret_low", "regret_high", "best"]].assign(n=len(joint))
