"""Chooses the training examples that a fill is taken from: none of those that are measured or scored."""

import dataclasses

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.fill import EXAMPLES, FILLS, ZERO, Fill
from pruning_oracle.bench.loading.choice import ExampleChoice


def with_fill(case: Case, name: str, choice: ExampleChoice) -> Case:
    """The case with what stands in a removed map's place; the case itself for zeros.

    The examples that a fill is taken from are the last in the order that `choice` draws shared and fresh ones from: 256, or
    half of those that are not shared if that is less. BadInput if there is no such fill, or fewer than 3 such examples.
    """
    if name not in FILLS:
        raise unknown("--fill", name, FILLS)
    if name == ZERO:
        return case
    shared = choice.split(case)[0]
    others = set(range(len(case.train))) - set(shared)
    count = min(EXAMPLES, len(others) // 2)
    if count < 3:
        raise BadInput(
            f"--fill {name}: {case.name} has {len(others)} training examples beside the {len(shared)} that are measured;"
            " at least 6 are needed, of which half give the fill"
        )
    first = case.split(choice.examples, rows=choice.rows, fresh=len(others) - count, seed=choice.seed)[1]
    rows = sorted(others - set(first))
    return dataclasses.replace(case, fill=Fill(name, rows, case.seed if choice.seed is None else choice.seed))


def split_beside(case: Case, choice: ExampleChoice) -> tuple[list[int], list[int]]:
    """The rows of the shared and of the fresh examples of `choice`, less those that the case's fill is taken from."""
    shared, fresh = choice.split(case)
    taken = set(case.fill.rows if case.fill else ())
    return shared, [row for row in fresh if row not in taken]
