"""When a run stops: at a share of the whole network's maps, FLOPs or parameters, or before too much accuracy is lost."""

import math
from dataclasses import dataclass
from typing import Any

from bench import cost
from bench.errors import BadInput, unknown
from pruning.surgery import Pruned, check, cut, few

QUANTITIES = ("maps", "flops", "parameters", "accuracy")


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
            raise unknown("--until", name, QUANTITIES)
        allowed = "a number between -1 and 0, such as -0.025" if name == "accuracy" else "a share between 0 and 1, such as 0.3"
        try:
            value = float(number)
        except ValueError as error:
            raise BadInput(f"--until {name}={number}: allowed is {allowed}") from error
        if not (-1 < value < 0 if name == "accuracy" else 0 < value < 1):
            raise BadInput(f"--until {name}={number}: allowed is {allowed}")
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

    def check(self, pruned: Pruned) -> None:
        """Refuses a target below what is left when every site keeps a single map, and a network that cannot be cut so."""
        case = pruned.case
        gone = {site.name: range(1, site.maps) for site in case.sites if site.maps > 1}
        least = cut(pruned, gone).case
        check(case, least, gone, few(case))
        if self.quantity == "accuracy":
            return
        whole, small = cost.whole(case), cost.whole(least)
        sizes = {
            "maps": (sum(site.maps for site in case.sites), len(case.sites)),
            "flops": (whole.flops, small.flops),
            "parameters": (whole.parameters, small.parameters),
        }
        before, after = sizes[self.quantity]
        if after > self.least(before):
            raise BadInput(
                f"{case.name}: {self} cannot be reached: a site keeps at least one map, and with one at each"
                f" {self.quantity}={after / before:.4f} is left"
            )
