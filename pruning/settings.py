"""What a pruning run is asked to do: which maps go, how fast, how the network learns meanwhile, and when to stop."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bench.errors import BadInput, unknown
from bench.scale import SCALINGS
from pruning.target import Target


@dataclass(frozen=True)
class Settings:
    """The paper's by default (arXiv:1611.06440): one map at a time, 30 updates between, SGD with momentum on batches of 32."""

    criterion: str = "taylor"
    scaling: str = "l2"
    flops_lambda: float = 1e-3
    remove: int = 1
    updates: int = 30
    until: Target = field(default=Target("maps", 0.3))
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
        return asdict(self) | {"until": str(self.until)}

    @property
    def name(self) -> str:
        """What tells a run from others in file names."""
        given = {known.name: getattr(self, known.name) for known in fields(self)}
        usual = {known.name: known.default for known in fields(self)}
        other = [
            f"{name}={value}" for name, value in given.items() if name not in {"criterion", "seed"} and value != usual[name]
        ]
        return ",".join([self.criterion, *other]).replace("_", "-")
