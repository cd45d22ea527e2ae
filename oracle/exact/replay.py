"""The fast exact engine: many removals side by side, each recomputing only what depends on the removed map.

Three things make it fast. What does not depend on a map is computed once per batch (`traced.py`). Where a map is what
stands in for it (zeros, as a rule) all over an example, removing it needs no computation. And the layer that reads the maps can
take the linear step (`linear_step.py`). Each site's replay is proved on a few pairs; a site that cannot be replayed, and a
network whose values cannot be kept, runs as a whole for every removal, just as exactly (`network.py`).
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import release_memory
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.network import Network
from pruning_oracle.oracle.exact.removals import Removals, one_map_each

FOLD = 1024  # pairs side by side, if memory allows: more are no faster on a CPU
log = logging.getLogger("oracle")
Made = TypeVar("Made")


@dataclass
class Spent:
    """Seconds that were spent once: on learning the network's layout, with the first batch, and on planning sites."""

    learning: float = 0.0
    planning: float = 0.0

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Adds the time of the block to `learning` or `planning`."""
        start = time.monotonic()
        yield
        setattr(self, what, getattr(self, what) + time.monotonic() - start)


class Replay:
    """The engine for one case: call it with a site and a batch.

    Of the `held` bytes that it may hold beyond the model, a quarter is for pairs, since the heap may lose as much again between
    tensors, and half for the values of batches: the current one, and those told to `stay`, which the caller must bound.
    Choices already in `choices` are followed, new ones are added to it. At most `fold` pairs run side by side.
    """

    def __init__(self, case: Case, held: int = memory.DEFAULT, choices: Choices | None = None, fold: int = FOLD) -> None:
        self.case, self.room, self.fold = case, held // 4, fold
        self.choices = Choices() if choices is None else choices
        self.network = Network(case, self.choices)
        self.batch: Batch | None = None
        self.staying: dict[int, Batch] = {}  # batches told to stay, by `id`
        self.stayed: dict[int, tuple[Any, Tensor]] = {}  # of these, once computed: the network's values, and the loss
        self.spent = Spent()
        self.crowded = False  # memory has run out once: no batch stays any more

    def __call__(self, site: Site, batch: Batch) -> Float[Tensor, "example map"]:
        """Loss with the map removed minus loss with every map kept, in nats; equals `literal` up to rounding."""
        alive = self.alive(site, batch)
        maps, examples = alive.T.nonzero(as_tuple=True)
        change = torch.zeros(alive.shape, dtype=self.kept.dtype, device=self.kept.device)
        change[examples, maps] = self.pairs(site, batch, examples, maps)
        return change

    @torch.no_grad()
    def losses(self, batch: Batch) -> Float[Tensor, " example"]:
        """Loss of every example of a batch with every map kept, in nats."""
        with memory.memory_error_as_bad_input(self.case, batch.examples):
            self._keep(batch)
        return self.kept

    @torch.no_grad()
    def alive(self, site: Site, batch: Batch) -> Bool[Tensor, "example map"]:
        """False for the pairs known to change nothing, because the map is what stands in for it; true for the others."""
        with memory.memory_error_as_bad_input(self.case, batch.examples):
            self._keep(batch)
            return self.network.alive(site)

    @torch.no_grad()
    def pairs(
        self, site: Site, batch: Batch, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]
    ) -> Float[Tensor, " pair"]:
        """The change in loss of chosen (example, map) pairs, in nats; pairs of one map must follow one another.

        Raises BadInput if memory does not suffice for a single pair.
        """
        return self.changes(one_map_each(self.case, site), batch, examples, maps)

    @torch.no_grad()
    def changes(
        self, removals: Removals, batch: Batch, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"]
    ) -> Float[Tensor, " pair"]:
        """The change in loss of chosen (example, removal) pairs, in nats; pairs of one removal must follow one another.

        `which` are places in `removals`. Raises BadInput if memory does not suffice for a single pair.
        """
        with memory.memory_error_as_bad_input(self.case, batch.examples):
            self._keep(batch)
        change = self.kept.new_zeros(len(which))
        done = 0
        while done < len(which):
            size = self.fold
            try:
                with self.spent.on("planning"):
                    self.network.prepare(removals, examples[:size], which[:size], self.room)
                size = min(size, max(1, self.room // max(1, self.network.pair_bytes(removals))))
                e, k = examples[done : done + size], which[done : done + size]
                loss = self.case.loss(self.network.removed(removals, e, k), batch.labels_of(e))
                change[done : done + size] = loss - self.kept[e]
                done += size
                continue
            except torch.OutOfMemoryError:
                pass  # the memory of the attempt is only freed outside of this block
            if not self._room_made():
                self._halve(removals.site, size)
        return change

    def _keep(self, batch: Batch) -> None:
        """Passes a batch through the network, unless that is done; pairs refer to its examples from now on."""
        if batch is self.batch:
            return
        if id(batch) in self.stayed:
            self.network.state, self.kept = self.stayed[id(batch)]
        else:
            with self.spent.on("learning") if self.batch is None else nullcontext():
                self.kept = self.fitting(lambda: self.case.loss(self.network.keep(batch), batch.labels))
        if id(batch) in self.staying:
            self.stayed[id(batch)] = self.network.state, self.kept
        self.batch = batch

    def stay(self, batch: Batch) -> None:
        """Keeps this batch's values, once computed, until `leave` is called; does nothing if memory has run out before."""
        if not self.crowded:
            self.staying[id(batch)] = batch

    def leave(self) -> None:
        """Drops the values of all batches but the current one."""
        self.staying.clear()
        self.stayed.clear()

    def fitting(self, make: Callable[[], Made]) -> Made:
        """The result of `make`; if memory runs out, drops the values of batches that stay, and calls it once more."""
        try:
            return make()
        except torch.OutOfMemoryError:
            if not self.stayed:
                raise
        self._room_made()
        return make()

    def _room_made(self) -> bool:
        """After a failed allocation: drops the values of batches that stay, for good; false if there were none to drop."""
        if not self.stayed:
            return False
        self.leave()
        self.crowded = True
        release_memory(self.case.device)
        log.warning("%s: out of memory: every round passes through the network again from now on", self.case.name)
        return True

    def _halve(self, site: Site, size: int) -> None:
        """After a failed allocation for `size` pairs: half as many from now on; raises BadInput if `size` was 1."""
        release_memory(self.case.device)
        self.fold = size // 2
        if self.fold < 1:
            raise BadInput(f"{self.case.name}: no memory for a single removal at site {site.name!r}: take a smaller --batch")
        log.warning("%s: out of memory at site %s: %d removals side by side from now on", self.case.name, site.name, self.fold)
