"""Where a pruning run stands: all that its next step depends on, and what was recorded."""

import copy
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.pruning.cutting.surgery import Pruned
from pruning_oracle.pruning.cutting.wiring import wire

Row = dict[str, Any]


@dataclass
class Learned:
    """What updates came to: sums over them, from which their means follow."""

    updates: int = 0
    loss: float = 0.0
    right: float = 0.0
    examples: int = 0
    seconds: float = 0.0

    def add(self, loss: float, right: float, examples: int) -> None:
        """One more update, by its mean loss."""
        self.updates += 1
        self.loss += loss * examples
        self.right += right
        self.examples += examples

    @property
    def means(self) -> dict[str, float]:
        """Loss and accuracy over all examples of all updates; NaN without any."""
        count = self.examples or math.nan
        return {"train_loss": self.loss / count, "train_accuracy": self.right / count}


@dataclass
class State:
    """The network that a run has come to, what the next update and the next removal need, and every step so far."""

    pruned: Pruned
    momenta: dict[str, Tensor] = field(default_factory=dict)
    scores: list[Any] = field(default_factory=list)
    update: int = 0
    scored: int = 0  # how often maps were ranked
    rows: list[Row] = field(default_factory=list)
    good: "State | None" = None  # to go back to, while it is not known whether what came since is worth keeping
    done: bool = False  # but for the final fine-tuning
    final: Learned = field(default_factory=Learned)
    why: str = ""  # it ended before the target
    finished: bool = False

    def marked(self) -> "State":
        """The same, to go back to; a removal makes a network of its own, learning changes the one that is there."""
        return dataclasses.replace(self, rows=list(self.rows), good=None)

    def copied(self) -> "State":
        """The same, to go back to, with a network of its own."""
        pruned = dataclasses.replace(self.pruned, case=copied(self.pruned.case))
        momenta = {name: momentum.clone() for name, momentum in self.momenta.items()}
        return dataclasses.replace(self.marked(), pruned=pruned, momenta=momenta)

    def take_back(self) -> None:
        """Goes back to the last good network, if it is not this one."""
        if self.good:
            for name in ("pruned", "momenta", "scores", "update", "scored", "rows"):
                setattr(self, name, getattr(self.good, name))
            self.good = None


def start(case: Case) -> State:
    """The state before anything was removed; the case itself learns nothing."""
    return State(Pruned(copied(case), case.sites, wire(case)))


def copied(case: Case) -> Case:
    """The case with a network of its own."""
    return dataclasses.replace(case, model=copy.deepcopy(case.model))
