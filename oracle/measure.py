"""Measures the whole oracle of a case: every site on every example, with progress, and checks the result."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import classes_of, joined_classes
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.proof import TOLERANCE
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.progress import Progress
from pruning_oracle.oracle.resume import Units

log = logging.getLogger("oracle")

Engine = Callable[[Site, Batch], Float[Tensor, "example map"]]  # for one case
# makes each engine from a case, the bytes it may hold beyond the model, and the choices it must follow and may add to
ENGINES: dict[str, Callable[[Case, int, Choices], Engine]] = {
    "replay": Replay,
    "literal": lambda case, held, choices: partial(literal, case),
}
CHECKED = 8  # (site, map, example) triples that are measured again by the literal engine


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
    changes: dict[str, list[Tensor]] = {site.name: [] for site in case.sites}
    kept, labels, found, spent = [], [], 0, 0.0
    progress = Progress(case, len(rows))
    for block, batch in enumerate(case.batches(case.train, rows, size)):
        own = rows[block * size : (block + 1) * size]
        with torch.no_grad(), memory.memory_error_as_bad_input(case, len(own)):
            kept.append(case.losses(batch).cpu())
        check_loss(case, kept[-1], own)
        labels.append(classes_of(batch.labels))
        for place, site in enumerate(case.sites):
            unit = _found(case, units, f"{block}-{place}", kept[-1])
            if unit is None:
                before = once_spent(engine)
                unit = _measured(case, engine, site, batch, own)
                learning, planning = (after - early for after, early in zip(once_spent(engine), before, strict=True))
                if units:
                    units.put(f"{block}-{place}", {"kept": kept[-1].numpy(), **unit})
                progress.measured(site, unit["change"].size, float(unit["seconds"]) - learning - planning, planning)
            else:
                found += 1
                progress.found(site, unit["change"].size)
            changes[site.name].append(torch.from_numpy(unit["change"]))
            spent += float(unit["seconds"])
    progress.bar.close()
    said = f", {found} units of them found measured" if found else ""
    log.info("%s seed %d: %s pairs in %s%s", case.name, case.seed, f"{progress.total:,}", tqdm.format_interval(spent), said)
    joined = {name: torch.cat(parts) for name, parts in changes.items()}
    return Oracle(joined, torch.cat(kept), joined_classes(labels), spent)


def once_spent(engine: Engine) -> tuple[float, float]:
    """Seconds that an engine has spent on what is done once: on learning the network's layout, and on planning sites."""
    return (engine.spent.learning, engine.spent.planning) if isinstance(engine, Replay) else (0.0, 0.0)


def _found(case: Case, units: Units | None, name: str, kept: Tensor) -> Arrays | None:
    """The arrays of a stored unit, if the network's loss on its examples, `kept`, is still the stored one; else None."""
    unit = units.get(name) if units else None
    same = unit is not None and torch.allclose(torch.from_numpy(unit["kept"]), kept, rtol=0, atol=TOLERANCE[case.precision])
    return unit if same else None


def _measured(case: Case, engine: Engine, site: Site, batch: Batch, block: Sequence[int]) -> Arrays:
    start = time.monotonic()
    change = engine(site, batch).cpu()
    seconds = time.monotonic() - start
    check_changes(case, site, change, block)
    return {"change": change.numpy(), "seconds": np.array(seconds)}


def recheck(case: Case, oracle: Oracle, rows: Sequence[int], measured: Mapping[str, np.ndarray] | None = None) -> float:
    """Measures a few random triples again by the literal engine, and returns the largest difference.

    Differences are relative to the largest loss involved, or to 1 nat if that is more. `measured` marks the pairs of each site
    that were measured, `[example, map]`, if not all were. Raises BadInput if a difference is above the tolerance.
    """
    generator = torch.Generator().manual_seed(case.seed)
    worst = 0.0
    for _ in range(CHECKED):
        site = case.sites[int(torch.randint(len(case.sites), (), generator=generator))]
        pairs = np.argwhere(measured[site.name]) if measured else np.argwhere(np.ones((len(rows), site.maps), bool))
        if not len(pairs):
            continue
        place, index = pairs[int(torch.randint(len(pairs), (), generator=generator))].tolist()
        batch = next(case.batches(case.train, [rows[place]], 1))
        kept, removed = (_loss(case, site, index, batch, gate) for gate in (1.0, 0.0))
        value = float(oracle.changes[site.name][place, index])
        difference = abs(value - (removed - kept)) / max(1.0, abs(kept), abs(removed))
        if not difference <= TOLERANCE[case.precision]:
            raise BadInput(
                f"{case.name}: the oracle of map {index} of site {site.name!r} on training example {rows[place]} is {value},"
                f" but literally {removed - kept}: this engine is not exact on this network; use --engine literal"
            )
        worst = max(worst, difference)
    return worst


@torch.no_grad()
def _loss(case: Case, site: Site, index: int, batch: Batch, gate: float) -> float:
    value = torch.ones(1, site.maps, device=case.device, dtype=PRECISIONS[case.precision])
    value[0, index] = gate
    with gated(case.model, {site: value}):
        return float(case.loss(case.model(batch.inputs), batch.labels)[0])


def check_loss(case: Case, loss: Tensor, block: Sequence[int]) -> None:
    """Raises BadInput if a loss with every map kept is not finite; `block` holds the rows of the examples."""
    for row, value in zip(block, loss.tolist(), strict=True):
        if not torch.tensor(value).isfinite():
            raise BadInput(f"{case.name}: the loss is {value} with every map kept, on training example {row}")


def check_changes(case: Case, site: Site, change: Tensor, block: Sequence[int]) -> None:
    """Raises BadInput if a change, `[example, map]`, is not finite; `block` holds the rows of the examples."""
    broken = (~change.isfinite()).nonzero()
    if len(broken):
        example, index = broken[0].tolist()
        value = change[example, index].item()
        raise BadInput(
            f"{case.name}: the loss changes by {value} with map {index} of site {site.name!r} removed,"
            f" on training example {block[example]}"
        )
