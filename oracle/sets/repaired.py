"""Joint losses after a repair: every set's network mended without learning, and its loss taken again.

A network is mended as the pruning loop mends one from which the maps were deleted (`bench/repair/`), with gates at 0 instead.
All of it is done to copies: the network itself is as it was, whenever the work is stopped.
"""

import copy
import dataclasses
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.repair.after_removal import ready_for
from pruning_oracle.bench.repair.batch_norms import estimated_again
from pruning_oracle.bench.repair.bias import carry, carrying, input_means
from pruning_oracle.bench.repair.names import BATCHNORM, BIAS, REPAIRS
from pruning_oracle.oracle.exact.proof import TOLERANCE
from pruning_oracle.oracle.parts import check_changes
from pruning_oracle.oracle.progress import Progress
from pruning_oracle.oracle.resume import Units


class Mending:
    """One repair of one case, from the training examples at `rows`, for any set of maps.

    The means that biases take are those of the network with all maps, so that one pass gives them for all sets. Activations
    take at most `held` bytes; a mended network is a copy, and one more is there while it is made. BadInput if the case lacks
    the layers for the repair.
    """

    def __init__(self, case: Case, repair: str, rows: Sequence[int], held: int = memory.DEFAULT) -> None:
        self.case, self.parts, self.rows, self.held = ready_for(case, repair), REPAIRS[repair], rows, held
        if BIAS in self.parts:
            self.feeds = consumers(self.case)
            every = {site.name: range(site.maps) for site in case.sites}
            self.means = input_means(self.case, list(carrying(self.case, every, self.feeds)), rows, held)

    def mended(self, one: MapSet) -> Case:
        """A copy of the case whose gates remove a set's maps, for good, and that is mended."""
        if BIAS in self.parts:
            mended = carry(self.case, carrying(self.case, one.named, self.feeds), self.means).case
        else:
            mended = dataclasses.replace(self.case, model=copy.deepcopy(self.case.model))
        weight = next(mended.model.parameters())
        for site, maps in one.by_site(self.case).items():
            value = weight.new_ones(1, site.maps, requires_grad=False)
            value[:, list(maps)] = 0
            for name in site.gates:
                mended.model.get_submodule(name).value = value
        return estimated_again(mended, self.rows, self.held) if BATCHNORM in self.parts else mended


def measure_repaired(
    mending: Mending,
    sets: Sequence[MapSet],
    rows: Sequence[int],
    size: int,
    kept: Float[Tensor, " example"],
    units: Units | None = None,
) -> tuple[Float[Tensor, "example set"], float]:
    """The joint losses of sets after the repair, on these rows of the training set, and the seconds that they took.

    `kept` is the loss of the network as it is, with every map kept. Equal sets are mended once; the empty one is mended as
    well, since it is a change, too. A set is a unit: with `units`, finished ones are read and new ones stored. Raises BadInput
    if a loss is not finite.
    """
    case, distinct = mending.case, list(dict.fromkeys(sets))
    progress = Progress(f"{case.name} seed {case.seed} repaired sets", [("set", len(distinct) * len(rows))])
    found: dict[MapSet, Tensor] = {}
    spent = 0.0
    for one in distinct:
        name = f"repaired-{len(found)}"
        unit = units.get(name) if units else None
        if unit is None or not torch.allclose(torch.from_numpy(unit["kept"]), kept, rtol=0, atol=TOLERANCE[case.precision]):
            began = time.monotonic()
            with memory.memory_error_as_bad_input(case, size):
                change = _losses(mending.mended(one), rows, size) - kept
            seconds = time.monotonic() - began
            check_changes(case, change[:, None], rows, partial(_said, sets, one))
            unit = {"change": change.numpy(), "kept": kept.numpy(), "seconds": np.array(seconds)}
            if units:
                units.put(name, unit)
            progress.measured("set", len(rows), seconds)
        else:
            progress.found("set", len(rows))
        found[one] = torch.from_numpy(unit["change"])
        spent += float(unit["seconds"])
    progress.bar.close()
    return torch.stack([found[one] for one in sets], 1), spent


def _said(sets: Sequence[MapSet], one: MapSet, _: int) -> str:
    return f"set {sets.index(one)} ({len(one)} maps, repaired)"


@torch.no_grad()
def _losses(case: Case, rows: Sequence[int], size: int) -> Float[Tensor, " example"]:
    """The loss of every training example at `rows`."""
    return torch.cat([case.losses(batch).cpu() for batch in case.batches(case.train, rows, size)])
