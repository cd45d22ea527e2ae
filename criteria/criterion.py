"""Criterion, @criterion: how a function of the evidence at a site becomes a criterion, and how criteria are found."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading.user_file import file_of, import_file, users_code
from pruning_oracle.bench.scores import Reduction, abs_mean, mean, mean_abs
from pruning_oracle.criteria.evidence.evidence import Evidence, PerExample
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS

__all__ = ["Criterion", "Evidence", "PerExample", "abs_mean", "criterion", "mean", "mean_abs"]

PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Criterion:
    """A named guess: from the evidence at one site to a saliency, and how that becomes a score."""

    name: str
    saliency: Callable[[Evidence], PerExample]
    needs: frozenset[str]
    reduce: Reduction
    unit: str
    source: str

    @property
    def file(self) -> Path:
        """Where it is written."""
        return file_of(self.saliency)

    @property
    def quick(self) -> bool:
        """Whether it is this suite's own and needs no evidence that is so dear that it is gathered from a few examples only."""
        dear = any(known.most is not None for name, known in sources().items() if name in self.needs)
        return not dear and not self.saliency.__module__.startswith(f"{PACKAGE}.peers.")

    def __call__(self, site: Evidence) -> PerExample:
        """The saliency at a site, checked to be what a criterion must give; a mistake in its file is one line."""
        with users_code(self.file):
            saliency = self.saliency(site)
        place = f"{self.file}: criterion {self.name!r} at site {site.site.name!r}"
        shape = tuple(saliency.shape) if isinstance(saliency, Tensor) else type(saliency).__name__
        most = [known.most for name, known in sources().items() if name in self.needs and known.most is not None]
        if shape not in {(count, site.site.maps) for count in (1, min([len(site.labels), *most]))}:
            raise BadInput(f"{place} gave {shape}; allowed is ({len(site.labels)}, {site.site.maps}) or (1, {site.site.maps})")
        if not (saliency.is_floating_point() and bool(saliency.isfinite().all())):
            raise BadInput(
                f"{place} gave {saliency.dtype} with {int((~saliency.isfinite()).sum())} numbers that are not finite"
            )
        return saliency


ALL, QUICK = "all", "quick"
CRITERIA: dict[str, Criterion] = {}


def criterion(
    *, needs: Iterable[str], reduce: Reduction, unit: str, source: str
) -> Callable[[Callable[[Evidence], PerExample]], Criterion]:
    """Registers a function under its own name; its score is higher the more important the map."""
    wanted = frozenset(needs)
    for name in wanted - known_evidence():
        raise unknown("evidence", name, known_evidence())

    def register(function: Callable[[Evidence], PerExample]) -> Criterion:
        name = function.__name__
        if name in CRITERIA or name in {ALL, QUICK}:
            where = CRITERIA[name].saliency.__module__ if name in CRITERIA else "the command line"
            raise BadInput(f"criterion {name!r} already exists in {where}: give yours another name")
        CRITERIA[name] = Criterion(name, function, wanted, reduce, unit, source)
        return CRITERIA[name]

    return register


def known_evidence() -> frozenset[str]:
    """The names that `needs` may hold."""
    return SHARED_PASS | frozenset(sources())


def discover() -> dict[str, Criterion]:
    """All criteria, after importing every file of this folder and of its peers."""
    for name in (PACKAGE, f"{PACKAGE}.peers"):
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
            if not module.name.startswith("__") and not module.ispkg:
                importlib.import_module(f"{name}.{module.name}")
    return CRITERIA


def choose_criteria(names: Iterable[str]) -> list[Criterion]:
    """The criteria of those names; of a .py file all that it holds; `all` of this suite (also of no name), or the `quick`."""
    known = dict(discover())
    chosen: dict[str, Criterion] = {}
    for name in list(names) or [ALL]:
        if name == ALL:
            chosen |= known
        elif name == QUICK:
            chosen |= {name: found for name, found in known.items() if found.quick}
        elif name.endswith(".py"):
            chosen |= criteria_in_file(Path(name))
        elif name in CRITERIA:
            chosen[name] = CRITERIA[name]
        else:
            raise BadInput(f"{unknown('criterion', name, known)}, or give the path of a .py file that holds an @criterion")
    return list(chosen.values())


def criteria_in_file(path: Path) -> dict[str, Criterion]:
    """The criteria that a user's file holds."""
    discover()
    if not any(found.file.resolve() == path.resolve() for found in CRITERIA.values()):
        import_file(path, "criteria")
    found = {name: known for name, known in CRITERIA.items() if known.file.resolve() == path.resolve()}
    if not found:
        raise BadInput(f"{path} must hold a function marked @criterion; it holds none")
    return found
