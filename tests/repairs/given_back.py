"""Sets of maps deleted from a trained network, and its loss on examples that nothing else saw before and after each repair."""

from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import of_sites, uncut
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.after_removal import REMOVED, after_removal, ready_for, repairs_of
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.loop.ranking import by_criterion, lowest, scaled

SHARES = (0.05, 0.2, 0.4, 0.6)  # of all maps
DRAWS = 6  # random sets of every share
REPAIRED_ON, TESTED = 256, 512


def given_back(case: Case, shares: tuple[float, ...] = SHARES, draws: int = DRAWS) -> Iterator[dict[str, Any]]:
    """A row per set and repair: the loss on 512 training examples, in nats, of the whole network, without the set, and repaired.

    Sets are drawn at random, or have the lowest Taylor scores, scaled by ℓ2 within each site, on the case's own examples. These,
    the 256 examples of the repairs and the 512 of the loss are three different parts of the training examples.
    """
    pruned = prepared(case)
    ranked, tested = case.split(None, fresh=TESTED)
    rows = spare_examples(case, REPAIRED_ON, case.examples + TESTED)
    assert len({*ranked, *tested, *rows}) == len(ranked) + TESTED + REPAIRED_ON
    whole = evaluate(case, case.train, tested)[0]
    total = sum(site.maps for site in pruned.case.sites)
    random = np.random.default_rng(case.seed)
    taylor = choose_criteria(["taylor"])[0]
    scores = by_criterion(pruned.case, taylor, collect(pruned.case, ranked, 128, taylor.needs, "record"))
    ways = [("taylor", scaled(pruned.case, scores, PruningSettings(flops_lambda=0.0)))]
    ways += [("random", [random.random(site.maps) for site in pruned.case.sites]) for _ in range(draws)]
    repairs = repairs_of(case)[1:]
    ready = of_sites(uncut(ready_for(case, repairs[-1])), pruned.case.sites)
    for share in shares:
        for place, (name, order) in enumerate(ways):
            gone = lowest(pruned.case, order, round(share * total), pruned.needed)
            head = {"case": case.name, "seed": case.seed, "chosen by": name, "draw": place, "share": share}
            head |= {"maps": sum(map(len, gone.values())), "of maps": total, "whole": whole}
            for repair in repairs:
                found = dict(after_removal(ready, gone, repair, rows))
                losses = [evaluate(one.case, case.train, tested)[0] for one in found.values()]
                assert list(found)[0] == REMOVED
                yield head | {"repair": repair, "removed": losses[0], "repaired": losses[-1]}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per network, way of choosing, share and repair: how many sets, how many were better repaired, and medians with ranges."""
    table = []
    for keys, part in pd.DataFrame(rows).groupby(["case", "chosen by", "share", "repair"], sort=False):
        back = (part.removed - part.repaired).tolist()
        row = dict(zip(("case", "chosen by", "share", "repair"), keys, strict=True)) | {"sets": len(part)}
        row |= {
            "smaller": sum(change > 0 for change in back),
            "removed": median(part.removed),
            "repaired": median(part.repaired),
        }
        table.append(row | {"given back": median(back), "least": min(back), "most": max(back)})
    return table
