"""What stands in for removed maps at every gate, for the examples of a batch; and whether it is available, tried beforehand."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import MEAN
from pruning_oracle.bench.network.gates import Fills, Gate
from pruning_oracle.bench.network.memory import memory_error_as_bad_input

Look = Callable[[str, Gate, Tensor], None]  # at a gate's name, the gate, and what passes it


@torch.no_grad()
def fills_for(case: Case, batch: Batch) -> Fills:
    """What stands in for removed maps, by gate, for the examples of a batch of training examples; nothing for zeros."""
    if case.fill is None:
        return {}
    if not case.fill.samples:
        return case.fill.means
    assert batch.partners is not None, "a batch of training examples has partners"
    found: Fills = {}

    def keep(name: str, gate: Gate, value: Tensor) -> None:
        found[name] = value

    _watch(case, [batch.partners], keep)
    return found


def prepared(case: Case, rows: Sequence[int], size: int) -> Case:
    """The case with all that its fill needs: means measured, or samples tried, `size` examples at a time.

    `rows` are the training examples that will be measured. BadInput, which names a gate, if what the fill needs is unavailable.
    """
    if case.fill is None:
        return case
    with memory_error_as_bad_input(case, size):
        _check_calls(case)
        if not case.fill.samples:
            return dataclasses.replace(case, fill=dataclasses.replace(case.fill, means=_means(case, size)))
        _check_sizes(case, rows)
    return case


def _watch(case: Case, batches: Iterable[Tensor], look: Look) -> None:
    """Passes inputs through the network with every gate open, and shows what passes the gates."""

    def hook(name: str, gate: Any, args: Any, output: Tensor) -> None:
        look(name, gate, output)

    with ExitStack() as stack:
        for name in _gates(case):
            stack.callback(case.model.get_submodule(name).register_forward_hook(partial(hook, name)).remove)
        for inputs in batches:
            case.model(inputs)


def _gates(case: Case) -> dict[str, str]:
    """The site of every gate, by its name."""
    return {name: site.name for site in case.sites for name in site.gates}


def _gate(case: Case, name: str) -> Gate:
    gate = case.model.get_submodule(name)
    assert isinstance(gate, Gate)
    return gate


def _refused(case: Case, gate: str, why: str) -> BadInput:
    assert case.fill is not None
    return BadInput(f"--fill {case.fill.name}: {case.name}, gate {gate!r} of site {_gates(case)[gate]!r}: {why}")


@torch.no_grad()
def _means(case: Case, size: int) -> dict[str, Tensor]:
    """For every gate the mean of each map over examples, calls and positions, in float64, laid out by channel."""
    assert case.fill is not None
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, gate: Gate, value: Tensor) -> None:
        lines = value.movedim(gate.axis, -1).flatten(0, -2).double()
        sums[name] = sums.get(name, 0.0) + lines.sum(0)
        counts[name] = counts.get(name, 0) + len(lines)

    _watch(case, (batch.inputs for batch in case.batches(case.train, case.fill.rows, size)), add)
    means = {}
    for name in _gates(case):
        if not counts.get(name):
            raise _refused(case, name, "its maps have no positions, and so no mean over them")
        owners = torch.tensor([*_gate(case, name).maps], device=case.device) + 1  # 0: no map's
        total = torch.zeros(int(owners.max()) + 1, dtype=torch.float64, device=case.device)
        channels = total.index_add(0, owners, torch.ones_like(owners, dtype=torch.float64)).clamp(min=1)
        by_map = total.index_add(0, owners, sums[name]) / (channels * counts[name])
        means[name] = torch.where(owners > 0, by_map[owners], 0.0)
        if not bool(means[name].isfinite().all()):
            broken = int((~means[name].isfinite()).nonzero()[0, 0])
            raise _refused(case, name, f"the mean of map {int(owners[broken]) - 1} is {float(means[name][broken])}")
    return means


@torch.no_grad()
def _calls(case: Case, row: int) -> dict[str, list[torch.Size]]:
    """The shapes of what passes each gate for one training example, call by call."""
    found: dict[str, list[torch.Size]] = {name: [] for name in _gates(case)}

    def note(name: str, gate: Gate, value: Tensor) -> None:
        if not value.is_floating_point():
            raise _refused(case, name, f"its maps hold numbers of type {value.dtype}")
        found[name].append(value.shape)

    _watch(case, [next(case.batches(case.train, [row], 1)).inputs], note)
    return found


def _check_calls(case: Case) -> None:
    """Raises BadInput if an example's maps do not pass every gate: once if samples stand in, else at least once."""
    assert case.fill is not None
    for name, shapes in _calls(case, case.fill.rows[0]).items():
        if case.fill.name == MEAN and not shapes:
            raise _refused(case, name, "no map passes it, so that there is no mean over positions")
        if case.fill.samples and len(shapes) != 1:
            raise _refused(case, name, f"it is called {len(shapes)} times in a pass, and samples are of one call")


def _check_sizes(case: Case, rows: Sequence[int]) -> None:
    """Raises BadInput if examples that stand in for others have inputs of another size, as then their maps may have."""
    assert case.fill is not None
    size = case.train[rows[0]][0].shape
    for row in (*rows, *case.fill.rows):
        if (other := case.train[row][0].shape) != size:
            one, two = _calls(case, rows[0]), _calls(case, row)
            gate = next((name for name in one if one[name] != two[name]), next(iter(one)))
            raise _refused(
                case,
                gate,
                f"training example {row} has an input of {tuple(other)} and example {rows[0]} one of {tuple(size)};"
                " samples are taken from examples of the same size",
            )
