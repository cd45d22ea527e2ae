"""The state of a pruning run: everything that its next step depends on, and what was recorded so far."""

import copy
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned
from pruning_oracle.bench.cutting.trial import prepared

Row = dict[str, Any]


@dataclass
class TrainingTotals:
    """Sums over fine-tuning updates: loss in nats and right answers over all examples, and seconds."""

    updates: int = 0
    loss: float = 0.0
    right: float = 0.0
    examples: int = 0
    seconds: float = 0.0

    def add(self, loss: float, right: float, examples: int) -> None:
        """Adds an update, given its mean loss and how many of its examples were classified right."""
        self.updates += 1
        self.loss += loss * examples
        self.right += right
        self.examples += examples

    @property
    def means(self) -> dict[str, float]:
        """Mean loss and accuracy over all examples of all updates; NaN without examples."""
        count = self.examples or math.nan
        return {"train_loss": self.loss / count, "train_accuracy": self.right / count}


@dataclass
class State:
    """The present network of a run, what its next update and removal need, and a row for every step so far."""

    pruned: Pruned
    momenta: dict[str, Tensor] = field(default_factory=dict)
    scores: list[Any] = field(default_factory=list)
    update: int = 0
    scored: int = 0  # how often maps were ranked
    rows: list[Row] = field(default_factory=list)
    good: "State | None" = None  # to return to if the network turns out not to be worth keeping
    done: bool = False  # nothing is left to do but the final fine-tuning
    final: TrainingTotals = field(default_factory=TrainingTotals)
    why: str = ""  # why the run ended before its target; empty if it did not
    finished: bool = False

    def marked(self) -> "State":
        """A copy to return to after a removal; it shares the network, which a removal replaces and does not change."""
        return dataclasses.replace(self, rows=list(self.rows), good=None)

    def copied(self) -> "State":
        """A copy to return to after fine-tuning, which changes the network in place: network and momenta are copied too."""
        pruned = dataclasses.replace(self.pruned, case=copied(self.pruned.case))
        momenta = {name: momentum.clone() for name, momentum in self.momenta.items()}
        return dataclasses.replace(self.marked(), pruned=pruned, momenta=momenta)

    def take_back(self) -> None:
        """Returns to the last good state, if the present one is not known to be good."""
        if self.good:
            for name in ("pruned", "momenta", "scores", "update", "scored", "rows"):
                setattr(self, name, getattr(self.good, name))
            self.good = None


def start(case: Case) -> State:
    """The state before the first step; it holds a copy of the case's network, so that the case is not changed.

    Its sites are those whose maps can be deleted. Raises BadInput if there is none.
    """
    pruned = prepared(case)
    return State(dataclasses.replace(pruned, case=copied(pruned.case)))


def copied(case: Case) -> Case:
    """The case with a copy of its network."""
    return dataclasses.replace(case, model=copy.deepcopy(case.model))
