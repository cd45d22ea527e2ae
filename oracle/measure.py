"""Measures the whole oracle of a case: every site on every example, with progress, and checks what was measured."""

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
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.timed_choices import TimedChoices
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.progress import Progress
from pruning_oracle.oracle.resume import Units

log = logging.getLogger("oracle")

Engine = Callable[[Site, Batch], Float[Tensor, "example map"]]  # of one case
# what makes each engine: from a case, the bytes it may hold beyond the model, and the choices it must follow and may add to
ENGINES: dict[str, Callable[[Case, int, TimedChoices], Engine]] = {
    "replay": Replay,
    "literal": lambda case, held, choices: partial(literal, case),
}
CHECKED = 8  # (site, map, example) triples that are measured again, literally
# of the largest loss involved, or of 1 nat; the coarse precisions round differently in every order of operations
TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "tf32": 0.05, "bfloat16": 0.3}


@dataclass(frozen=True)
class Oracle:
    """What was measured: the change in loss per site, the loss with every map kept, and the labels."""

    changes: dict[str, Float[Tensor, "example map"]]
    kept: Float[Tensor, " example"]
    labels: Int[Tensor, " example"]
    seconds: float = 0.0  # what measuring took, without the parts of it that were stopped half-way


def measure(case: Case, engine: Engine, rows: Sequence[int], size: int, units: Units | None = None) -> Oracle:
    """The oracle of a case on those rows of its training set, `size` examples at a time, in nats; goes on from `units`."""
    changes: dict[str, list[Tensor]] = {site.name: [] for site in case.sites}
    kept, labels, found, spent = [], [], 0, 0.0
    progress = Progress(case, len(rows))
    for block, batch in enumerate(case.batches(case.train, rows, size)):
        own = rows[block * size : (block + 1) * size]
        with torch.no_grad(), memory.suffices(case, len(own)):
            kept.append(case.losses(batch).cpu())
        check_loss(case, kept[-1], own)
        labels.append(batch.labels.cpu())
        for place, site in enumerate(case.sites):
            unit = _found(case, units, f"{block}-{place}", kept[-1])
            if unit is None:
                unit = _measured(case, engine, site, batch, own)
                if units:
                    units.put(f"{block}-{place}", {"kept": kept[-1].numpy(), **unit})
                progress.measured(site, unit["change"].size, float(unit["seconds"]))
            else:
                found += 1
                progress.found(site, unit["change"].size)
            changes[site.name].append(torch.from_numpy(unit["change"]))
            spent += float(unit["seconds"])
    progress.bar.close()
    said = f", {found} units of them found measured" if found else ""
    log.info("%s seed %d: %s pairs in %s%s", case.name, case.seed, f"{progress.total:,}", tqdm.format_interval(spent), said)
    return Oracle({name: torch.cat(parts) for name, parts in changes.items()}, torch.cat(kept), torch.cat(labels), spent)


def _found(case: Case, units: Units | None, name: str, kept: Tensor) -> Arrays | None:
    """What a unit holds, if the network still loses on its examples what it lost then."""
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
    """Measures a few random triples again, literally; the largest difference, relative to the loss or 1 nat if that is more.

    `measured` says which pairs of each site were measured, `[example, map]`, if not all were.
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
    value = torch.ones(1, site.maps, device=case.device, dtype=next(case.model.parameters()).dtype)
    value[0, index] = gate
    with gated(case.model, {site: value}):
        return float(case.loss(case.model(batch.inputs), batch.labels)[0])


def check_loss(case: Case, loss: Tensor, block: Sequence[int]) -> None:
    """Refuses a loss that is not finite with every map kept."""
    for row, value in zip(block, loss.tolist(), strict=True):
        if not torch.tensor(value).isfinite():
            raise BadInput(f"{case.name}: the loss is {value} with every map kept, on training example {row}")


def check_changes(case: Case, site: Site, change: Tensor, block: Sequence[int]) -> None:
    """Refuses changes of a block's loss that are not finite."""
    broken = (~change.isfinite()).nonzero()
    if len(broken):
        example, index = broken[0].tolist()
        value = change[example, index].item()
        raise BadInput(
            f"{case.name}: the loss changes by {value} with map {index} of site {site.name!r} removed,"
            f" on training example {block[example]}"
        )
