"""The settings of a pruning run: which maps to remove, how many at a time, how to fine-tune between, and when to stop."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.repair.names import EXAMPLES as REPAIR_EXAMPLES
from pruning_oracle.bench.repair.names import REPAIRS
from pruning_oracle.bench.runs.bounds import (
    BATCH,
    COUNT,
    EXAMPLES,
    MOMENTUM,
    PRICE,
    RATE_OR_NONE,
    SEED,
    UPDATES,
    WEIGHT_DECAY,
    check_fields,
)
from pruning_oracle.bench.scores import SCALINGS

REMOVALS = 22  # about how many removal steps all maps of a network would take, where a case has no settings


@dataclass(frozen=True)
class Target:
    """When pruning stops: at a share of the original network's maps, FLOPs or parameters, or before accuracy falls too far.

    `value` is that share, between 0 and 1, or the allowed change in accuracy, between −1 and 0.
    """

    quantity: str
    value: float

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise unknown("--target", self.quantity, QUANTITIES)
        if not (-1 < self.value < 0 if self.quantity == "accuracy" else 0 < self.value < 1):
            raise BadInput(f"--target {self.quantity}={self.value:g}: allowed is {_allowed(self.quantity)}")

    @classmethod
    def parse(cls, text: str) -> "Target":
        """The target that a text such as `maps=0.3` or `accuracy=-0.025` describes; BadInput for any other text."""
        name, _, number = text.partition("=")
        if name not in QUANTITIES:
            raise unknown("--target", name, QUANTITIES)
        try:
            value = float(number)
        except ValueError as error:
            raise BadInput(f"--target {name}={number}: allowed is {_allowed(name)}") from error
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.quantity}={self.value:g}"

    def least(self, whole: int) -> int:
        """The target's share of `whole` as a whole number: rounded up for maps, down for FLOPs and parameters.

        A share that is a whole number but for floating-point error counts as that number.
        """
        exact = self.value * whole
        return math.ceil(exact - 1e-9 * whole) if self.quantity == "maps" else math.floor(exact + 1e-9 * whole)

    def reached(self, first: dict[str, Any], row: dict[str, Any]) -> bool:
        """Whether a network is small enough, from the records of the original one (`first`) and of this one (`row`).

        Always false if the target is an accuracy.
        """
        return self.quantity != "accuracy" and row[self.quantity] <= self.least(first[self.quantity])


QUANTITIES = ("maps", "flops", "parameters", "accuracy")


def _allowed(quantity: str) -> str:
    return "a number between -1 and 0, such as -0.025" if quantity == "accuracy" else "a share between 0 and 1, such as 0.3"


@dataclass(frozen=True)
class PruningSettings:
    """The settings of a pruning run; the defaults are the paper's (arXiv:1611.06440).

    These are one map at a time, 30 updates between, and SGD with momentum on batches of 32.
    """

    criterion: str = "taylor"
    scaling: str = "l2"
    flops_lambda: Annotated[float, PRICE] = 1e-3
    remove: Annotated[int, COUNT] = 1
    updates: Annotated[int, UPDATES] = 30
    target: Target = field(default=Target("maps", 0.3))
    final_updates: Annotated[int, UPDATES] = 0
    rate: Annotated[float, RATE_OR_NONE] = 1e-4
    momentum: Annotated[float, MOMENTUM] = 0.9
    weight_decay: Annotated[float, WEIGHT_DECAY] = 1e-4
    batch: Annotated[int, BATCH] = 32
    # for passes that only score; 0: score by the updates if possible, else on the case's number of examples
    examples: Annotated[int, UPDATES] = 0
    tested: Annotated[int, UPDATES] = 0  # test examples for the loss and accuracy after every step; 0: all
    again: Annotated[int, COUNT] = 1  # if the criterion is an oracle, it is measured anew every so many steps
    repair: str = "none"  # after every removal, from training examples that rank nothing and are learnt from never
    repair_examples: Annotated[int, EXAMPLES] = REPAIR_EXAMPLES
    seed: Annotated[int, SEED] = 0

    def __post_init__(self) -> None:
        if self.repair not in REPAIRS:
            raise unknown("--repair", self.repair, REPAIRS)
        if self.scaling not in SCALINGS:
            raise unknown("--scaling", self.scaling, SCALINGS)
        if not isinstance(self.target, Target):
            raise BadInput(f"--target is {self.target!r}; allowed is a Target, such as Target('maps', 0.3)")
        check_fields(self)
        if 0 < self.examples < EXAMPLES.least:
            raise BadInput(f"--examples is {self.examples}; allowed are 0, to score by the updates, and {EXAMPLES}")

    @property
    def facts(self) -> dict[str, Any]:
        """The settings as a run file stores them."""
        return asdict(self) | {"target": str(self.target)}

    def name(self, usual: "PruningSettings") -> str:
        """The run's name in file names: its criterion, and the settings that differ from `usual`, the case's own."""
        own = [setting.name for setting in fields(self) if setting.name not in {"criterion", "seed"}]
        other = [f"{name}={getattr(self, name)}" for name in own if getattr(self, name) != getattr(usual, name)]
        return ",".join([self.criterion, *other]).replace("_", "-")


def default_settings(maps: int) -> PruningSettings:
    """The settings for a case without its own: so many of its `maps` maps at a time that pruning takes minutes."""
    return PruningSettings(
        remove=max(1, maps // REMOVALS), updates=20, rate=1e-3, flops_lambda=0.1, target=Target("maps", 0.3), final_updates=200
    )
