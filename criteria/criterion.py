"""Evidence, Criterion, @criterion: what a criterion may see, and how a function becomes one."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from bench.case import Site
from bench.errors import BadInput, unknown
from bench.reductions import Reduction, abs_mean, mean, mean_abs
from criteria.statistics import KNOWN

__all__ = ["Criterion", "Evidence", "PerExample", "abs_mean", "criterion", "mean", "mean_abs"]

PerExample = Float[Tensor, "example map"]  # one example where a criterion speaks of all at once


@dataclass(frozen=True)
class Evidence:
    """What a criterion may see of one site: its weights, its examples' labels, and statistics per example and map.

    `weights` holds for each map every weight of the filters that make it, over all of the site's convolutions.
    `positions` is how many numbers of a map one example has, over all gates and clips.
    A statistic that the criterion `needs` is an attribute, `[example, map]`: `gate_grad`, `mean`, `mean_square`, …
    """

    site: Site
    seed: int
    weights: Float[Tensor, "map weight"]
    labels: Int[Tensor, " example"]
    positions: Float[Tensor, " map"]
    statistics: Mapping[str, PerExample]

    def __getattr__(self, name: str) -> PerExample:
        if name.startswith("__") or name not in self.statistics:
            raise AttributeError(f"no evidence {name!r} was gathered at {self.site.name}: name it in the criterion's `needs`")
        return self.statistics[name]


@dataclass(frozen=True)
class Criterion:
    """A named guess: from the evidence at one site to a saliency, and how that becomes a score."""

    name: str
    saliency: Callable[[Evidence], PerExample]
    needs: frozenset[str]
    reduce: Reduction
    unit: str
    source: str


CRITERIA: dict[str, Criterion] = {}


def criterion(
    *, needs: Iterable[str], reduce: Reduction, unit: str, source: str
) -> Callable[[Callable[[Evidence], PerExample]], Criterion]:
    """Registers a function under its own name; its score is higher the more important the map."""
    wanted = frozenset(needs)
    for name in wanted - KNOWN:
        raise unknown("evidence", name, KNOWN)

    def register(function: Callable[[Evidence], PerExample]) -> Criterion:
        name = function.__name__
        if name in CRITERIA:
            raise BadInput(
                f"criterion {name!r} already exists in {CRITERIA[name].saliency.__module__}: give yours another name"
            )
        CRITERIA[name] = Criterion(name, function, wanted, reduce, unit, source)
        return CRITERIA[name]

    return register


def discover() -> dict[str, Criterion]:
    """All criteria, after importing every file of this folder."""
    package = importlib.import_module("criteria")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("__"):
            importlib.import_module(f"criteria.{module.name}")
    return CRITERIA


def choose(names: Iterable[str]) -> list[Criterion]:
    """The criteria of those names; all of them when none is named."""
    known = discover()
    wanted = list(names) or list(known)
    for name in wanted:
        if name not in known:
            raise unknown("criterion", name, known)
    return [known[name] for name in wanted]
