"""Measures the joint losses of sets on every example: some sets at a time, each set once, with progress, and checks them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.replay import Spent
from pruning_oracle.oracle.parts import Part, measure_parts
from pruning_oracle.oracle.recheck import CHECKED, difference
from pruning_oracle.oracle.resume import Units
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.replay import ReplaySets

SetEngine = Callable[[Sequence[MapSet], Batch], Float[Tensor, "example set"]]  # for one case
# makes each engine from a case, the bytes it may hold beyond the model, and the choices it must follow and may add to
SET_ENGINES: dict[str, Callable[[Case, int, Choices], SetEngine]] = {
    "replay": ReplaySets,
    "literal": lambda case, held, choices: partial(literal, case),
}
PAIRS = 4096  # (example, set) pairs in a unit: enough to fill the engine, few enough to lose little where a run is stopped


@dataclass(frozen=True)
class MeasuredSets:
    """The joint losses of sets and the loss with every map kept, in nats.

    `labels` are the examples' classes; None where labels are not one whole number per example.
    """

    joint: Float[Tensor, "example set"]
    kept: Float[Tensor, " example"]
    labels: Int[Tensor, " example"] | None
    seconds: float = 0.0  # spent on measuring, by earlier runs too, but not on units that were interrupted


def measure_sets(
    case: Case, engine: SetEngine, sets: Sequence[MapSet], rows: Sequence[int], size: int, units: Units | None = None
) -> MeasuredSets:
    """The joint losses of sets on these rows of a case's training set, `size` examples at a time; equal sets are measured once.

    With `units`, finished units are read and new ones stored, so that an interrupted run can resume. Raises BadInput if a loss
    is not finite.
    """
    distinct = in_order(case, sets)
    many = max(1, PAIRS // min(size, len(rows)))
    chunks = [distinct[start : start + many] for start in range(0, len(distinct), many)]
    parts = [
        Part(_sorted(case, chunk[0])[0][1], len(chunk), partial(engine, chunk), partial(_said, sets, chunk)) for chunk in chunks
    ]
    spent = engine.spent if isinstance(engine, ReplaySets) else Spent()
    found = measure_parts(case, parts, rows, size, units, spent, "joint losses")
    measured = torch.cat([*found.changes, torch.zeros(len(rows), 1, dtype=found.kept.dtype)], 1)  # the last: nothing removed
    places = {one: place for place, one in enumerate(distinct)}
    joint = measured[:, [places.get(one, -1) for one in sets]]
    return MeasuredSets(joint, found.kept, found.labels, found.seconds)


def in_order(case: Case, sets: Sequence[MapSet]) -> list[MapSet]:
    """The sets that differ and are not empty, by the case's sites at which they remove maps, the first ones first."""
    return sorted({one for one in sets if one.maps}, key=partial(_sorted, case))


def _sorted(case: Case, one: MapSet) -> list[tuple[int, str, tuple[int, ...]]]:
    """The places and names of a set's sites in the case's order, with their maps."""
    places = {site.name: place for place, site in enumerate(case.sites)}
    return sorted((places[site], site, maps) for site, maps in one.maps)


def _said(sets: Sequence[MapSet], chunk: Sequence[MapSet], place: int) -> str:
    return f"set {sets.index(chunk[place])} ({len(chunk[place])} maps)"


def recheck_sets(case: Case, found: MeasuredSets, sets: Sequence[MapSet], rows: Sequence[int]) -> float:
    """Measures a few random (example, set) pairs again literally, and returns the largest difference (see `difference`).

    Raises BadInput if one is above the tolerance.
    """
    generator = torch.Generator().manual_seed(case.seed)
    worst = 0.0
    for _ in range(CHECKED):
        place, chosen = (int(torch.randint(count, (), generator=generator)) for count in found.joint.shape)
        value, what = float(found.joint[place, chosen]), f"the joint loss of set {chosen}"
        worst = max(worst, difference(case, rows[place], sets[chosen].by_site(case), value, what))
    return worst
