"""Repairs a network right after maps are deleted from it, step by step, and refuses what a network lacks the layers for."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.repair.batch_norms import batch_norms, estimated_again
from pruning_oracle.bench.repair.bias import carried
from pruning_oracle.bench.repair.names import BATCHNORM, BIAS, REPAIRS
from pruning_oracle.bench.repair.readers import read_channels, why_not, with_biases

REMOVED = "removed"  # the network without its maps and before any repair


def ready_for(case: Case, repair: str) -> Case:
    """The case with all that a repair needs: biases of zeros where layers that read maps lack them; the case itself if none do.

    BadInput if there is no such repair, or the network lacks the layers for it.
    """
    if repair not in REPAIRS:
        raise unknown("--repair", repair, REPAIRS)
    if BATCHNORM in REPAIRS[repair] and not batch_norms(case.model):
        raise BadInput(f"--repair {repair}: {case.name} has no batch norm with running statistics to estimate again")
    if BIAS not in REPAIRS[repair]:
        return case
    found = with_biases(case)
    every = read_channels(found, {site.name: range(site.maps) for site in found.sites})
    if all(why_not(name, found.model.get_submodule(name)) for name in every):
        raise BadInput(f"--repair {repair}: {case.name} has no layer that reads maps and adds a bias to carry their means into")
    return found


def repairs_of(case: Case) -> list[str]:
    """The repairs that a network has the layers for; `none` is the first."""
    found = []
    for name in REPAIRS:
        try:
            ready_for(case, name)
        except BadInput:
            continue
        found.append(name)
    return found


def after_removal(
    pruned: Pruned, gone: Mapping[str, Collection[int]], repair: str, rows: Sequence[int], smaller: Pruned | None = None
) -> Iterator[tuple[str, Pruned]]:
    """The network without the maps in `gone` (present numbers by site): as it is, then after each part of a repair.

    Yields the name of what was done last (`removed`, `bias`, `batchnorm`) and the network. The training examples at `rows` give
    means, in the network with the maps, and statistics, in the one without. The case must be `ready_for` the repair. `smaller`
    is the network without the maps, if it is there already.
    """
    smaller = smaller or cut(pruned, gone)
    yield REMOVED, smaller
    for part in REPAIRS[repair]:
        if part == BIAS:
            smaller = cut(dataclasses.replace(pruned, case=carried(pruned.case, gone, rows).case), gone)
        else:
            smaller = dataclasses.replace(smaller, case=estimated_again(smaller.case, rows))
        yield part, smaller
