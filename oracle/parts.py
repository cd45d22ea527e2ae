"""Measures removals part by part, on one block of examples after another: with progress, units that are kept, and checks.

A part on a block is a unit, the smallest piece of work that an interrupted run need not do again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import classes_of, joined_classes
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.exact.proof import TOLERANCE
from pruning_oracle.oracle.exact.replay import Spent
from pruning_oracle.oracle.progress import Progress
from pruning_oracle.oracle.resume import Units

log = logging.getLogger("oracle")


@dataclass(frozen=True)
class Part:
    """Some removals that are measured together.

    `rate` names what their time per pair depends on, such as a site; `said(removal)` says in an error what one removes.
    """

    rate: str
    removals: int
    measure: Callable[[Batch], Float[Tensor, "example removal"]]
    said: Callable[[int], str]


@dataclass(frozen=True)
class Measured:
    """What was measured: each part's changes in loss, and the loss with every map kept, in nats.

    `labels` are the examples' classes; None where labels are not one whole number per example.
    """

    changes: list[Float[Tensor, "example _"]]
    kept: Float[Tensor, " example"]
    labels: Int[Tensor, " example"] | None
    seconds: float  # spent on measuring, by earlier runs too, but not on units that were interrupted


def measure_parts(
    case: Case, parts: Sequence[Part], rows: Sequence[int], size: int, units: Units | None, spent: Spent, what: str
) -> Measured:
    """Measures every part on these rows of the training set, `size` examples at a time; `what` names it in messages.

    With `units`, finished units are read and new ones stored. `spent` is what the engine has spent once. Raises BadInput if a
    loss or a change is not finite.
    """
    changes: list[list[Tensor]] = [[] for _ in parts]
    kept, labels, found, seconds = [], [], 0, 0.0
    progress = Progress(f"{case.name} seed {case.seed} {what}", [(part.rate, part.removals * len(rows)) for part in parts])
    for block, batch in enumerate(case.batches(case.train, rows, size)):
        own = rows[block * size : (block + 1) * size]
        with torch.no_grad(), memory.memory_error_as_bad_input(case, len(own)):
            kept.append(case.losses(batch).cpu())
        check_loss(case, kept[-1], own)
        labels.append(classes_of(batch.labels))
        for place, part in enumerate(parts):
            unit = _found(case, units, f"{block}-{place}", kept[-1])
            if unit is None:
                once = spent.learning, spent.planning
                unit = _measured(case, part, batch, own)
                learning, planning = spent.learning - once[0], spent.planning - once[1]
                if units:
                    units.put(f"{block}-{place}", {"kept": kept[-1].numpy(), **unit})
                progress.measured(part.rate, unit["change"].size, float(unit["seconds"]) - learning - planning, planning)
            else:
                found += 1
                progress.found(part.rate, unit["change"].size)
            changes[place].append(torch.from_numpy(unit["change"]))
            seconds += float(unit["seconds"])
    progress.bar.close()
    said = f", {found} units of them found measured" if found else ""
    log.info("%s seed %d: %s pairs in %s%s", case.name, case.seed, f"{progress.total:,}", tqdm.format_interval(seconds), said)
    return Measured([torch.cat(blocks) for blocks in changes], torch.cat(kept), joined_classes(labels), seconds)


def _found(case: Case, units: Units | None, name: str, kept: Tensor) -> Arrays | None:
    """The arrays of a stored unit, if the network's loss on its examples, `kept`, is still the stored one; else None."""
    unit = units.get(name) if units else None
    same = unit is not None and torch.allclose(torch.from_numpy(unit["kept"]), kept, rtol=0, atol=TOLERANCE[case.precision])
    return unit if same else None


def _measured(case: Case, part: Part, batch: Batch, block: Sequence[int]) -> Arrays:
    start = time.monotonic()
    change = part.measure(batch).cpu()
    seconds = time.monotonic() - start
    check_changes(case, change, block, part.said)
    return {"change": change.numpy(), "seconds": np.array(seconds)}


def check_loss(case: Case, loss: Tensor, block: Sequence[int]) -> None:
    """Raises BadInput if a loss with every map kept is not finite; `block` holds the rows of the examples."""
    for row, value in zip(block, loss.tolist(), strict=True):
        if not torch.tensor(value).isfinite():
            raise BadInput(f"{case.name}: the loss is {value} with every map kept, on training example {row}")


def check_changes(case: Case, change: Tensor, block: Sequence[int], said: Callable[[int], str]) -> None:
    """Raises BadInput if a change, `[example, removal]`, is not finite; `said` says what a removal removes.

    `block` holds the rows of the examples.
    """
    broken = (~change.isfinite()).nonzero()
    if len(broken):
        example, removal = broken[0].tolist()
        value = change[example, removal].item()
        raise BadInput(
            f"{case.name}: the loss changes by {value} with {said(removal)} removed, on training example {block[example]}"
        )
