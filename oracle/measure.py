"""Measures the whole oracle of a case: every site on every example, with progress and checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from bench.case import Batch, Case, Site
from bench.errors import BadInput
from oracle.literal import literal

Engine = Callable[[Case, Site, Batch], Float[Tensor, "example map"]]
ENGINES: dict[str, Engine] = {"literal": literal}


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
                kept.append(case.loss(case.model(batch.inputs), batch.labels).cpu())
            _check_loss(case, kept[-1], block)
            labels.append(batch.labels.cpu())
            for site in case.sites:
                change = engine(case, site, batch).cpu()
                _check_changes(case, site, change, block)
                changes[site.name].append(change)
                progress.update(change.numel())
    return Oracle({name: torch.cat(parts) for name, parts in changes.items()}, torch.cat(kept), torch.cat(labels))


def _check_loss(case: Case, loss: Tensor, block: Sequence[int]) -> None:
    if loss.shape != (len(block),):
        raise BadInput(
            f"{case.name}: the loss has shape {tuple(loss.shape)}; it must give one number per example, ({len(block)},)"
        )
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
