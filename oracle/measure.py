"""Measures the whole oracle of a case: every site on every example, with progress, and checks what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from bench.case import Batch, Case, Site
from bench.errors import BadInput
from bench.gates import gated
from oracle.literal import literal
from oracle.replay import Replay

Engine = Callable[[Case, Site, Batch], Float[Tensor, "example map"]]
# what makes each engine for a case
ENGINES: dict[str, Callable[[Case], Engine]] = {"replay": Replay, "literal": lambda case: literal}
CHECKED = 8  # (site, map, example) triples that are measured again, literally
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}  # of the largest loss involved, or of 1 nat


@dataclass(frozen=True)
class Oracle:
    """What was measured: the change in loss per site, the loss with every map kept, and the labels."""

    changes: dict[str, Float[Tensor, "example map"]]
    kept: Float[Tensor, " example"]
    labels: Int[Tensor, " example"]


def measure(case: Case, engine: Engine, rows: Sequence[int], size: int) -> Oracle:
    """The oracle of a case on those rows of its training set, `size` examples at a time, in nats."""
    changes: dict[str, list[Tensor]] = {site.name: [] for site in case.sites}
    kept, labels = [], []
    total = len(rows) * sum(site.maps for site in case.sites)
    with tqdm(total=total, desc=f"{case.name} seed {case.seed} oracle", unit="pair", unit_scale=True) as progress:
        for first, batch in zip(range(0, len(rows), size), case.batches(case.train, rows, size), strict=True):
            block = rows[first : first + size]
            with torch.no_grad():
                kept.append(case.losses(batch).cpu())
            _check_loss(case, kept[-1], block)
            labels.append(batch.labels.cpu())
            for site in case.sites:
                change = engine(case, site, batch).cpu()
                _check_changes(case, site, change, block)
                changes[site.name].append(change)
                progress.update(change.numel())
    return Oracle({name: torch.cat(parts) for name, parts in changes.items()}, torch.cat(kept), torch.cat(labels))


def recheck(case: Case, oracle: Oracle, rows: Sequence[int]) -> float:
    """Measures a few random triples again, literally; the largest difference, relative to the loss or 1 nat if that is more."""
    generator = torch.Generator().manual_seed(case.seed)
    worst = 0.0
    for _ in range(CHECKED):
        site = case.sites[int(torch.randint(len(case.sites), (), generator=generator))]
        index = int(torch.randint(site.maps, (), generator=generator))
        place = int(torch.randint(len(rows), (), generator=generator))
        batch = next(case.batches(case.train, [rows[place]], 1))
        kept, removed = (_loss(case, site, index, batch, gate) for gate in (1.0, 0.0))
        measured = float(oracle.changes[site.name][place, index])
        difference = abs(measured - (removed - kept)) / max(1.0, abs(kept), abs(removed))
        if not difference <= TOLERANCE[case.precision]:
            raise BadInput(
                f"{case.name}: the oracle of map {index} of site {site.name!r} on training example {rows[place]} is {measured},"
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


def _check_loss(case: Case, loss: Tensor, block: Sequence[int]) -> None:
    for row, value in zip(block, loss.tolist(), strict=True):
        if not torch.tensor(value).isfinite():
            raise BadInput(f"{case.name}: the loss is {value} with every map kept, on training example {row}")


def _check_changes(case: Case, site: Site, change: Tensor, block: Sequence[int]) -> None:
    broken = (~change.isfinite()).nonzero()
    if len(broken):
        example, index = broken[0].tolist()
        value = change[example, index].item()
        raise BadInput(
            f"{case.name}: the loss changes by {value} with map {index} of site {site.name!r} removed,"
            f" on training example {block[example]}"
        )
