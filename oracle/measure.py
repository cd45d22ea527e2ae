"""Measures the whole oracle of a case: every site on every example, with progress, and checks the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.replay import Replay, Spent
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.parts import Part, measure_parts
from pruning_oracle.oracle.recheck import CHECKED, difference
from pruning_oracle.oracle.resume import Units

Engine = Callable[[Site, Batch], Float[Tensor, "example map"]]  # for one case
# makes each engine from a case, the bytes it may hold beyond the model, and the choices it must follow and may add to
ENGINES: dict[str, Callable[[Case, int, Choices], Engine]] = {
    "replay": Replay,
    "literal": lambda case, held, choices: partial(literal, case),
}


@dataclass(frozen=True)
class Oracle:
    """A measured oracle: the change in loss by site and the loss with every map kept, in nats.

    `labels` are the examples' classes; None where labels are not one whole number per example.
    """

    changes: dict[str, Float[Tensor, "example map"]]
    kept: Float[Tensor, " example"]
    labels: Int[Tensor, " example"] | None
    seconds: float = 0.0  # spent on measuring, by earlier runs too, but not on units that were interrupted


def measure(case: Case, engine: Engine, rows: Sequence[int], size: int, units: Units | None = None) -> Oracle:
    """The oracle of a case on these rows of its training set, `size` examples at a time.

    With `units`, finished units are read and new ones stored, so that an interrupted run can resume. Raises BadInput if a loss
    or a change is not finite.
    """
    parts = [Part(site.name, site.maps, partial(engine, site), partial(said, site)) for site in case.sites]
    spent = engine.spent if isinstance(engine, Replay) else Spent()
    found = measure_parts(case, parts, rows, size, units, spent, "oracle")
    changes = dict(zip((site.name for site in case.sites), found.changes, strict=True))
    return Oracle(changes, found.kept, found.labels, found.seconds)


def said(site: Site, index: int) -> str:
    """What a removal at a site removes, in words."""
    return f"map {index} of site {site.name!r}"


def recheck(case: Case, oracle: Oracle, rows: Sequence[int], measured: Mapping[str, np.ndarray] | None = None) -> float:
    """Measures a few random triples again by the literal engine, and returns the largest difference (see `difference`).

    `measured` marks the pairs of each site that were measured, `[example, map]`, if not all were. Raises BadInput if a
    difference is above the tolerance.
    """
    generator = torch.Generator().manual_seed(case.seed)
    worst = 0.0
    for _ in range(CHECKED):
        site = case.sites[int(torch.randint(len(case.sites), (), generator=generator))]
        pairs = np.argwhere(measured[site.name]) if measured else np.argwhere(np.ones((len(rows), site.maps), bool))
        if not len(pairs):
            continue
        place, index = pairs[int(torch.randint(len(pairs), (), generator=generator))].tolist()
        value = float(oracle.changes[site.name][place, index])
        worst = max(worst, difference(case, rows[place], {site: [index]}, value, f"the oracle of {said(site, index)}"))
    return worst
