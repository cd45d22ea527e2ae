"""Criterion, @criterion: how a function of the evidence at a site becomes a criterion, and how criteria are found."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading.user_file import file_of, import_file, users_code
from pruning_oracle.bench.runs.code_digest import TRAINING, depends_on, of_function
from pruning_oracle.bench.scores import Reduction, abs_mean, mean, mean_abs
from pruning_oracle.criteria.evidence.evidence import Evidence, PerExample
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import LABELS, SHARED_PASS

__all__ = ["Criterion", "Evidence", "PerExample", "abs_mean", "criterion", "mean", "mean_abs"]

PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Criterion:
    """A named function from the evidence at one site to a saliency, and the reduction that makes a score of it.

    `needs` names the evidence that it reads; `source` is the paper or project that it comes from. `order` says why its score
    depends on the order of the examples, as some projects' do; empty if it does not.
    """

    name: str
    saliency: Callable[[Evidence], PerExample]
    needs: frozenset[str]
    reduce: Reduction
    unit: str
    source: str
    order: str = ""

    @property
    def file(self) -> Path:
        """The file that defines the criterion."""
        return file_of(self.saliency)

    @property
    def quick(self) -> bool:
        """Whether the criterion is outside `peers/` and needs no evidence so expensive that only a few examples are used."""
        return not self._bounds and not self.saliency.__module__.startswith(f"{PACKAGE}.peers.")

    @property
    def _bounds(self) -> list[int]:
        """The numbers of examples that its expensive evidence is bound to."""
        return [known.most for name, known in sources().items() if name in self.needs and known.most is not None]

    def __call__(self, site: Evidence) -> PerExample:
        """The saliency at a site, `[example, map]` or `[1, map]`, in float32 at least.

        Raises BadInput, which names the file, if the function fails or does not give finite numbers of that shape.
        """
        with users_code(self.file):
            saliency = self.saliency(site)
        place = f"{self.file}: criterion {self.name!r} at site {site.site.name!r}"
        shape = tuple(saliency.shape) if isinstance(saliency, Tensor) else type(saliency).__name__
        if shape not in {(count, site.site.maps) for count in (1, min([site.examples, *self._bounds]))}:
            raise BadInput(f"{place} gave {shape}; allowed is ({site.examples}, {site.site.maps}) or (1, {site.site.maps})")
        if not (saliency.is_floating_point() and bool(saliency.isfinite().all())):
            raise BadInput(
                f"{place} gave {saliency.dtype} with {int((~saliency.isfinite()).sum())} numbers that are not finite"
            )
        return at_least_float32(saliency)


ALL, QUICK = "all", "quick"
CRITERIA: dict[str, Criterion] = {}


def criterion(
    *, needs: Iterable[str], reduce: Reduction, unit: str, source: str, order: str = ""
) -> Callable[[Callable[[Evidence], PerExample]], Criterion]:
    """Decorator: registers a function under its own name as a criterion, whose score is higher the more important the map.

    The first line of the function's docstring is printed in reports. In a notebook, running a cell again replaces it.

    Args:
        needs: the names of the evidence that it reads, such as `gate_grad` (dLoss/dgate, `[example, map]` in nats).
        reduce: what turns its saliency, `[example, map]`, into a score, `[map]`: `mean`, `mean_abs` or `abs_mean`.
        unit: of its saliency; `nats` where it guesses a change in loss.
        source: the paper or project that it comes from.
        order: why the score depends on the order of the examples, if it does.

    Returns:
        What turns a function from the evidence at a site to a saliency, `[example, map]` or `[1, map]`, into a Criterion.

    Raises:
        BadInput: `needs` holds unknown evidence, or the name is taken.

    Examples:
        >>> import pruning_oracle as po
        >>> @po.criterion(needs={"gate_grad"}, reduce=po.mean_abs, unit="nats", source="an example")
        ... def plain_slope(site):
        ...     '''First-order change in loss when a map's gate goes from 1 to 0.'''
        ...     return -site.gate_grad
        >>> po.score(po.load("vgg-digits"), plain_slope, examples=8, device="cpu").criteria
        ['plain_slope']
    """
    wanted = frozenset(needs)
    for name in wanted - known_evidence():
        raise unknown("evidence", name, known_evidence())

    def register(function: Callable[[Evidence], PerExample]) -> Criterion:
        name = function.__name__
        if not str(function.__module__).startswith(f"{PACKAGE}."):
            discover()  # so that a name that the suite has is refused here, not where it is looked for
        if (name in CRITERIA and not _replaces(function, CRITERIA[name])) or name in {ALL, QUICK}:
            where = CRITERIA[name].saliency.__module__ if name in CRITERIA else "the command line"
            raise BadInput(f"criterion {name!r} already exists in {where}: give yours another name")
        CRITERIA[name] = Criterion(name, function, wanted, reduce, unit, source, order)
        return CRITERIA[name]

    return register


def _replaces(function: Callable[[Evidence], PerExample], known: Criterion) -> bool:
    """Whether a criterion is defined anew by running a cell of a notebook, or what was typed, once more."""
    return function.__module__ == known.saliency.__module__ == "__main__" and not file_of(function).is_file()


def known_evidence() -> frozenset[str]:
    """The names of all evidence, which a criterion may need."""
    return SHARED_PASS | {LABELS} | frozenset(sources())


def discover() -> dict[str, Criterion]:
    """All criteria by name, after importing every file of this folder and of `peers/`."""
    for name in (PACKAGE, f"{PACKAGE}.peers"):
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
            if not module.name.startswith("__") and not module.ispkg:
                importlib.import_module(f"{name}.{module.name}")
    return CRITERIA


def choose_criteria(names: Iterable[str | Criterion]) -> list[Criterion]:
    """The criteria chosen by names: of a criterion, of a .py file (all that it defines), `all` or `quick`; all without names.

    A criterion itself may stand for its name. Raises BadInput for an unknown name.
    """
    known = dict(discover())
    chosen: dict[str, Criterion] = {}
    for name in list(names) or [ALL]:
        if isinstance(name, Criterion):
            chosen[name.name] = name
        elif name == ALL:
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
    """The criteria that a user's file defines, by name; raises BadInput if there are none."""
    discover()
    if not any(found.file.resolve() == path.resolve() for found in CRITERIA.values()):
        import_file(path, "criteria")
    found = {name: known for name, known in CRITERIA.items() if known.file.resolve() == path.resolve()}
    if not found:
        raise BadInput(f"{path} must hold a function marked @criterion; it holds none")
    return found


def needs_of(chosen: Iterable[Criterion]) -> frozenset[str]:
    """The names of all evidence that these criteria need."""
    return frozenset[str]().union(*(criterion.needs for criterion in chosen))


def code_of(chosen: Sequence[Criterion], without: Iterable[str] = TRAINING) -> dict[str, Any]:
    """What the code of these criteria and of the sources of their evidence depends on, as `depends_on` says it."""
    needs = needs_of(chosen)
    gathers = [source.gather for name, source in sources().items() if name in needs]
    files = sorted({*(criterion.file for criterion in chosen), *(file_of(gather) for gather in gathers)})
    found = depends_on([file for file in files if file.is_file()], without)
    typed = [of_function(criterion.saliency) for criterion in chosen if not criterion.file.is_file()]  # in a notebook
    return found | ({"sources": f"{found['sources']} {' '.join(typed)}"} if typed else {})
