"""A case's network for the fast engine: replayed site by site where that is proved, and run as a whole elsewhere.

Whatever goes wrong in learning, planning or replaying becomes the reason why removals run the whole network; it is logged once.
"""

import logging
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import Fills, filled
from pruning_oracle.oracle.exact import proof
from pruning_oracle.oracle.exact.batch_layout import Unreplayable
from pruning_oracle.oracle.exact.choices import ENTIRE, Choices
from pruning_oracle.oracle.exact.removals import Removals
from pruning_oracle.oracle.exact.traced import Traced
from pruning_oracle.oracle.exact.untraced import Untraced

ALLOCATOR = "DefaultCPUAllocator"  # named by what torch raises where a CPU lacks memory
# no reasons to run the whole network; a frame that held such an error as an argument would keep the attempt's memory alive
PASSED_ON = (torch.OutOfMemoryError, BadInput)
log = logging.getLogger("oracle")


class Network:
    """A case's network, with the values of one batch at a time where they can be kept."""

    def __init__(self, case: Case, choices: Choices) -> None:
        self.case, self.choices = case, choices
        self.whole = Untraced(case)
        self.fills: Fills = {}  # what stands in for removed maps, for the examples of the batch
        self.traced: Traced | None = None
        self.why = ""  # if every removal runs the whole network: the reason
        self.reasons: set[str] = set()  # why single sites do

    def keep(self, batch: Batch) -> Any:
        """The network's output for a batch, to whose examples pairs refer from now on."""
        self.whole.batch, self.fills = batch, {}  # frees the last batch's first
        self.fills = fills_for(self.case, batch)
        if not self.why:
            try:
                self.traced = self.traced or Traced(self.case, batch, self.choices)
                return self.traced.keep(batch)
            except PASSED_ON:
                raise
            except Exception as error:
                self.traced, self.why = None, _reason(error)
            log.warning("%s: every removal runs the whole network, since %s", self.case.name, self.why)
        return self.case.model(batch.inputs)

    @property
    def state(self) -> tuple[Batch, Fills, Any]:
        """The batch that pairs refer to, with its kept values; setting it returns to that batch after others were kept."""
        return self.whole.batch, self.fills, self.traced and self.traced.state

    @state.setter
    def state(self, kept: tuple[Batch, Fills, Any]) -> None:
        self.whole.batch, self.fills = kept[:2]
        if self.traced:
            self.traced.state = kept[2]

    def alive(self, site: Site) -> Bool[Tensor, "example map"]:
        """False where a map is known to equal what stands in for it all over the example, so that removal changes nothing."""
        try:
            if self.traced:
                with filled(self.case.model, self.fills):
                    return self.traced.alive(site)
        except PASSED_ON:
            raise
        except Exception as error:
            self._give_up(site.name, error)
        return torch.ones(self.whole.batch.examples, site.maps, dtype=torch.bool, device=self.case.device)

    def order(self) -> list[Site]:
        """The sites in the order in which the network comes to their first gates, as far as that is known."""
        try:
            return self.traced.order(self.case.sites) if self.traced else list(self.case.sites)
        except Exception:  # where gates lie is unknown, and every removal will run the whole network
            return list(self.case.sites)

    def prepare(self, removals: Removals, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"], room: int) -> None:
        """Plans the replay of what is replayed alike, and proves it on a few of these pairs, unless that is done.

        Pairs may hold `room` bytes.
        """
        if not self.traced or removals.name in self.traced.plans or self._entire(removals):
            return
        try:
            self.traced.prepare(removals)
            few = proof.some(len(which), room // max(1, self.whole.held)).to(which.device)
            with filled(self.case.model, self.fills):
                found, expected = (each.removed(removals, examples[few], which[few]) for each in (self.traced, self.whole))
            if proof.differ(found, expected, self.case.precision):
                raise Unreplayable("the replay gives other outputs than the network itself")
        except PASSED_ON:
            self.traced.plans.pop(removals.name, None)
            raise
        except Exception as error:
            self.traced.plans.pop(removals.name, None)
            self._give_up(removals.name, error)

    def pair_bytes(self, removals: Removals) -> int:
        """The most bytes that one (example, removal) pair of what is prepared holds at any time."""
        if self.traced is None or self._entire(removals):
            return self.whole.held + removals.held
        return self.traced.pair_bytes(removals) + removals.held + self._filling(removals)

    def _filling(self, removals: Removals) -> int:
        """The bytes of the samples that stand in for a pair's maps at one gate, which are copied."""
        gates = {name for one in removals.sets for site in one for name in site.gates}
        sizes = [self.fills[name].nbytes for name in gates & self.fills.keys() if self.fills[name].ndim > 1]
        return 2 * max(sizes, default=0) // self.whole.batch.examples

    def removed(self, removals: Removals, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, removal) pair of what is prepared; `which` are places in `removals`."""
        with filled(self.case.model, self.fills):
            try:
                if self.traced and not self._entire(removals):
                    return self.traced.removed(removals, examples, which)
            except PASSED_ON:
                raise
            except Exception as error:
                self._give_up(removals.name, error)
            return self.whole.removed(removals, examples, which)

    def _entire(self, removals: Removals) -> bool:
        return self.choices.get(removals.name) == ENTIRE

    def _give_up(self, name: str, error: Exception) -> None:
        """Lets every removal that is called so run the whole network from now on, and says so, but once for each reason."""
        reason = _reason(error)
        self.choices[name] = ENTIRE
        if reason not in self.reasons:
            log.warning("%s: removals at site %s run the whole network, since %s", self.case.name, name, reason)
        self.reasons.add(reason)


def _reason(error: Exception) -> str:
    """Why the engine cannot replay, from what an attempt raised; a CPU's lack of memory, which is no reason, is raised."""
    if isinstance(error, MemoryError) or ALLOCATOR in str(error):
        raise torch.OutOfMemoryError(str(error)) from error
    if isinstance(error, Unreplayable):
        return str(error)
    return f"replaying it fails ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
