"""A network that runs as a whole for every removal: what the fast engine is proved by, and its fallback."""

from functools import cached_property
from typing import Any

from jaxtyping import Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.oracle.exact.removals import Removals


class Untraced:
    """A case's network, which runs removals side by side and keeps no values."""

    batch: Batch  # the batch that pairs refer to

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def held(self) -> int:
        """How many bytes one (example, removal) pair holds."""
        return memory.activations(self.case)

    def removed(self, removals: Removals, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, removal) pair; `which` are places in `removals`."""
        with gated(self.case.model, removals.gates(which), examples):
            return self.case.model(self.batch.inputs[examples])
