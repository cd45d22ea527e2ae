"""Evidence: what a criterion may see of one site."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Site

PerExample = Float[Tensor, "example map"]  # a single row where a criterion judges all examples together


@dataclass(frozen=True)
class Evidence:
    """What a criterion may see of one site: its weights, how many examples there are and their labels, and statistics.

    `labels` are the examples' classes, for criteria that name `labels` among their `needs`; None where the case's labels are
    not one whole number per example.
    `weights` holds for each map every weight of the filters that make it, over all of the site's convolutions.
    `positions` is how many positions a map has in one example, over all gates and clips; NaN where no statistic was needed.
    Every statistic that the criterion `needs` is an attribute, most are `[example, map]`: `gate_grad`, `mean`, `mean_square`, …
    """

    site: Site
    case: str
    seed: int
    weights: Float[Tensor, "map weight"]
    examples: int
    labels: Int[Tensor, " example"] | None
    positions: Float[Tensor, " map"]
    statistics: Mapping[str, Tensor]

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("__") or name not in self.statistics:
            raise AttributeError(f"no evidence {name!r} was gathered at {self.site.name}: name it in the criterion's `needs`")
        return self.statistics[name]
