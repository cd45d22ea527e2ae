"""A few removals measured again, literally and an example at a time, to check what an engine gave."""

from collections.abc import Mapping, Sequence

import torch

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled, gated
from pruning_oracle.oracle.exact.proof import TOLERANCE

CHECKED = 8  # (removal, example) pairs that are measured again


def difference(case: Case, row: int, maps: Mapping[Site, Sequence[int]], value: float, what: str) -> float:
    """How far `value` is from the literal change in loss on a training example when these maps are removed.

    It is relative to the largest loss involved, or to 1 nat if that is more. Raises BadInput, which calls what was measured
    `what`, if it is above the tolerance of the case's precision.
    """
    batch = next(case.batches(case.train, [row], 1))
    kept, removed = (_loss(case, gone, batch) for gone in ({}, maps))
    found = abs(value - (removed - kept)) / max(1.0, abs(kept), abs(removed))
    if not found <= TOLERANCE[case.precision]:
        raise BadInput(
            f"{case.name}: {what} on training example {row} is {value},"
            f" but literally {removed - kept}: this engine is not exact on this network; use --engine literal"
        )
    return found


@torch.no_grad()
def _loss(case: Case, maps: Mapping[Site, Sequence[int]], batch: Batch) -> float:
    values = {site: torch.ones(1, site.maps, device=case.device, dtype=PRECISIONS[case.precision]) for site in maps}
    for site, gone in maps.items():
        values[site][0, list(gone)] = 0
    with filled(case.model, fills_for(case, batch)), gated(case.model, values):
        return float(case.loss(case.model(batch.inputs), batch.labels)[0])
