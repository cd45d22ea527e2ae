"""What a criterion costs: the time its evidence and its arithmetic take, in forward passes over the same examples."""

import time
from collections.abc import Sequence
from functools import partial

import torch

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import finish
from pruning_oracle.criteria.criterion import Criterion, Evidence
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.source import sources

LEAST, MOST = 8, 32  # the fewest and the most examples to time on
SECONDS = 0.05  # between these limits, as many examples as a forward pass handles in this time


def measure_costs(case: Case, chosen: Sequence[Criterion], rows: Sequence[int], size: int) -> tuple[dict[str, float], float]:
    """What each criterion costs alone, in forward passes over all rows; and the seconds of a forward pass per example.

    Timed on 8 to 32 of the rows, after a first pass to warm up. Evidence from the first few rows counts for these rows only.
    What every criterion needs, such as reading the examples and laying out the filters, is left out.
    """

    def forward(some: Sequence[int]) -> None:
        with torch.no_grad():
            for batch in case.batches(case.train, some, size):
                case.losses(batch)

    each = clock.timed(partial(forward, rows[:LEAST])) / len(rows[:LEAST])
    some = list(rows)[: min(MOST, max(LEAST, int(SECONDS / each)))]

    def gather(needs: frozenset[str]) -> dict[str, Evidence]:
        return collect(case, some, size, needs, "price")

    nothing = clock.timed(lambda: gather(frozenset()))
    unit = min(clock.timed(partial(forward, some)) for _ in range(3))
    gathered: dict[frozenset[str], tuple[float, dict[str, Evidence]]] = {}
    found = {}
    for criterion in chosen:
        if criterion.needs not in gathered:
            finish()
            start = time.perf_counter()
            evidence = gather(criterion.needs)
            finish()
            gathered[criterion.needs] = max(0.0, time.perf_counter() - start - nothing), evidence
        seconds, evidence = gathered[criterion.needs]
        least = min((sources()[name].most or len(rows) for name in criterion.needs if name in sources()), default=len(rows))
        arithmetic = clock.once(partial(_apply, criterion, evidence))
        found[criterion.name] = (seconds * min(1.0, least / len(rows)) + arithmetic) / unit
    return found, unit / len(some)


def _apply(criterion: Criterion, evidence: dict[str, Evidence]) -> None:
    for seen in evidence.values():
        criterion(seen)
