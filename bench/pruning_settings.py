"""What a pruning run is asked to do: which maps go, how fast, how the network learns meanwhile, and when to stop."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.scores import SCALINGS

REMOVALS = 22  # about how many occasions a whole network's maps are removed on, where a case does not say


@dataclass(frozen=True)
class Target:
    """When to stop: at a share of the whole network's maps, FLOPs or parameters, or before too much accuracy is lost."""

    quantity: str
    value: float

    @classmethod
    def parse(cls, text: str) -> "Target":
        """A target such as `maps=0.3` or `accuracy=-0.025`."""
        name, _, number = text.partition("=")
        if name not in QUANTITIES:
            raise unknown("--target", name, QUANTITIES)
        allowed = "a number between -1 and 0, such as -0.025" if name == "accuracy" else "a share between 0 and 1, such as 0.3"
        try:
            value = float(number)
        except ValueError as error:
            raise BadInput(f"--target {name}={number}: allowed is {allowed}") from error
        if not (-1 < value < 0 if name == "accuracy" else 0 < value < 1):
            raise BadInput(f"--target {name}={number}: allowed is {allowed}")
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.quantity}={self.value:g}"

    def least(self, whole: int) -> int:
        """The share of a whole number, which rounding does not move; of maps the next whole number from above."""
        exact = self.value * whole
        return math.ceil(exact - 1e-9 * whole) if self.quantity == "maps" else math.floor(exact + 1e-9 * whole)

    def reached(self, first: dict[str, Any], row: dict[str, Any]) -> bool:
        """Whether a network is as small as it should be, from what was recorded of the whole one and of this one."""
        return self.quantity != "accuracy" and row[self.quantity] <= self.least(first[self.quantity])


QUANTITIES = ("maps", "flops", "parameters", "accuracy")


@dataclass(frozen=True)
class PruningSettings:
    """The paper's by default (arXiv:1611.06440): one map at a time, 30 updates between, SGD with momentum on batches of 32."""

    criterion: str = "taylor"
    scaling: str = "l2"
    flops_lambda: float = 1e-3
    remove: int = 1
    updates: int = 30
    target: Target = field(default=Target("maps", 0.3))
    final_updates: int = 0
    rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch: int = 32
    examples: int = 0  # of passes that only score; 0: scores come from the updates themselves
    tested: int = 0  # test examples that every step is judged by; 0: all
    again: int = 1  # an oracle is measured anew every so many removals
    seed: int = 0

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise unknown("--scaling", self.scaling, SCALINGS)
        for name, least in {
            "remove": 1,
            "updates": 0,
            "final_updates": 0,
            "batch": 1,
            "examples": 0,
            "tested": 0,
            "again": 1,
        }.items():
            if getattr(self, name) < least:
                raise BadInput(f"--{name.replace('_', '-')} is {getattr(self, name)}; at least {least} is needed")
        for name in ("flops_lambda", "rate", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadInput(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must not be negative, and finite")
        if not 0 <= self.momentum < 1:
            raise BadInput(f"--momentum is {self.momentum}; allowed is 0 to below 1")

    @property
    def facts(self) -> dict[str, Any]:
        """The settings as a run file stores them."""
        return asdict(self) | {"target": str(self.target)}

    def name(self, usual: "PruningSettings") -> str:
        """What tells a run from others in file names: its criterion, and what differs from the case's usual settings."""
        own = [setting.name for setting in fields(self) if setting.name not in {"criterion", "seed"}]
        other = [f"{name}={getattr(self, name)}" for name in own if getattr(self, name) != getattr(usual, name)]
        return ",".join([self.criterion, *other]).replace("_", "-")


def usual_settings(maps: int) -> PruningSettings:
    """What suits a network of so many maps whose case says nothing: so many maps at a time that the whole takes minutes."""
    return PruningSettings(
        remove=max(1, maps // REMOVALS), updates=20, rate=1e-3, flops_lambda=0.1, target=Target("maps", 0.3), final_updates=200
    )
