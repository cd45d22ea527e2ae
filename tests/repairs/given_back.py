"""Sets of maps deleted from a trained network, and its loss on examples that nothing else saw before and after each repair."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import of_sites, uncut
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.after_removal import REMOVED, after_removal, ready_for, repairs_of
from pruning_oracle.bench.repair.bias import input_means
from pruning_oracle.bench.repair.names import BIAS
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.repair.readers import read_channels
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.loop.ranking import by_criterion, lowest, scaled

SHARES = (0.05, 0.2, 0.4, 0.6)  # of all maps
DRAWS = 6  # random sets of every share
REPAIRED_ON, TESTED = 256, 512


def given_back(case: Case, shares: tuple[float, ...] = SHARES, draws: int = DRAWS) -> Iterator[dict[str, Any]]:
    """A row per set and repair: the loss in nats on 512 examples, of the whole network, without the set, and repaired.

    Sets are drawn at random, or have the lowest Taylor scores, scaled by ℓ2 within each site, on the case's own examples.
    These, the 256 examples of repairs and the 512 of the loss are three different parts of the training examples.
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
                assert next(iter(found)) == REMOVED
                more = {"filled": _filled(ready.case, gone, rows, tested)} if repair == BIAS else {}
                yield head | {"repair": repair, "removed": losses[0], "repaired": losses[-1]} | more


def _filled(case: Case, gone: dict[str, list[int]], rows: list[int], tested: list[int]) -> float:
    """The loss when each layer reads the mean in place of a removed map, at every position and not in the padding."""
    reading = read_channels(case, gone)
    means = input_means(case, list(reading), rows)

    def fill(name: str, module: nn.Module, args: Any) -> Any:
        given = args[0].clone()
        axis = -1 if isinstance(module, nn.Linear) else 1
        given.movedim(axis, -1)[..., reading[name]] = means[name][0][reading[name]].to(given)
        return (given,)

    with ExitStack() as stack:
        for name in reading:
            stack.callback(case.model.get_submodule(name).register_forward_pre_hook(partial(fill, name)).remove)
        return evaluate(case, case.train, tested)[0]


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
        row |= {"given back": median(back), "least": min(back), "most": max(back)}
        if part.filled.notna().all():
            row |= {"filled": median(part.filled), "filled smaller": int((part.filled < part.removed).sum())}
        table.append(row)
    return table
