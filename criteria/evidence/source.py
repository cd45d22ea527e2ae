"""Source, @source: evidence that takes passes of its own, and how a function becomes a source of it."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.criteria.evidence.evidence import Evidence

# from a case, rows of its training set and the number of examples per pass, to a tensor by site name
Gather = Callable[[Case, Sequence[int], int], dict[str, Tensor]]


def fits(case: Case) -> str:
    """The default for `unfit`: empty, since every case can provide the evidence."""
    return ""


@dataclass(frozen=True)
class Source:
    """A source of evidence beyond the shared pass.

    `gather` gives it by site: `[example, map]`, or for all examples together `[1, map]` or `[map, number]`. `unfit` says why a
    case cannot provide it; empty if it can. An expensive source looks at the first `most` examples only. A pass of it holds
    `holds` times the activations of its examples, and `copies` of the network's parameters. What is `of_zeros` speaks of maps
    or weights that become zeros, and is unavailable where another fill stands in a removed map's place.
    """

    gather: Gather
    unfit: Callable[[Case], str]
    most: int | None
    holds: float
    copies: int
    of_zeros: bool


BACKWARD = 3.0  # times the activations of its examples: what a forward and backward pass holds, with copies of a layer's
FIELDS = frozenset(field.name for field in fields(Evidence))
SOURCES_PACKAGE = "pruning_oracle.criteria.sources"
SOURCES: dict[str, Source] = {}


def source(
    *,
    unfit: Callable[[Case], str] = fits,
    most: int | None = None,
    holds: float = BACKWARD,
    copies: int = 0,
    of_zeros: bool = False,
) -> Callable[[Gather], Gather]:
    """Decorator: registers a function as the source of the evidence of its own name; see `Source` for its arguments.

    Raises BadInput if the name is taken, or is that of a field of `Evidence`.
    """

    def register(function: Gather) -> Gather:
        name = function.__name__
        if name in FIELDS:
            raise BadInput(
                f"evidence {name!r} is a field that all evidence has ({', '.join(sorted(FIELDS))}): give yours another name"
            )
        if name in SOURCES:
            raise BadInput(f"evidence {name!r} already exists in {SOURCES[name].gather.__module__}: give yours another name")
        SOURCES[name] = Source(function, unfit, most, holds, copies, of_zeros)
        return function

    return register


def sources() -> dict[str, Source]:
    """All sources by the name of their evidence, after importing every file of `criteria/sources/`."""
    package = importlib.import_module(SOURCES_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{SOURCES_PACKAGE}.{module.name}")
    return SOURCES
