"""The plan of a cut: what is left of every tensor, and which numbers, constants and operations change with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.cutting.gather import Gather
from pruning_oracle.bench.cutting.wiring import Claims, Convolution, Wiring, first_names, tensors_of
from pruning_oracle.bench.network.nan_probes import NONE

Kept = tuple[Tensor, ...]  # for every axis of a tensor, the places that are left


class UncuttableError(Exception):
    """A cut that is not possible: for which maps, by number, and why."""

    def __init__(self, maps: Sequence[int], reason: str) -> None:
        super().__init__(reason)
        self.maps, self.reason = frozenset(maps), reason


@dataclass(frozen=True)
class Slots:
    """What is left of a convolution: for each of its groups, the old channels in its inputs and outputs, −1 for zeros."""

    inputs: Tensor  # [group, input]
    outputs: Tensor  # [group, output]


@dataclass(frozen=True)
class Plan:
    """All that a cut changes; parts of the network that are not named stay as they are."""

    gone: Tensor
    tensors: dict[str, Kept] = field(default_factory=dict)
    convolutions: dict[str, Slots] = field(default_factory=dict)  # by the names of their weights and biases
    attributes: dict[tuple[str, str], Any] = field(default_factory=dict)  # (module, attribute) -> value
    arguments: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # operation -> its positional and named arguments
    gathers: dict[str, tuple[str, Gather]] = field(default_factory=dict)  # operation -> what replaces it, and of which operand
    before: dict[str, Gather] = field(default_factory=dict)  # convolution's call -> what arranges its input
    behind: dict[str, Gather] = field(default_factory=dict)  # convolution's call -> what arranges its output


def rectangle(claims: Claims, shape: Sequence[int], gone: Tensor) -> Kept | None:
    """The places along every axis of a tensor that are left without the maps in `gone`; None if no tensor holds just the rest.

    Raises UncuttableError if nothing is left.
    """
    dead = torch.zeros((1,) * len(shape), dtype=torch.bool)
    for claim in claims:
        dead = dead | gone[claim]
    kept = []
    for axis, size in enumerate(shape):
        lines = dead.movedim(axis, 0).reshape(dead.shape[axis], -1)
        full = lines.all(1) if len(lines) > 1 else torch.zeros(1, dtype=torch.bool)
        kept.append((~full.expand(size)).nonzero()[:, 0])
        dead = dead.index_select(axis, (~full).nonzero()[:, 0])
    if bool(dead.any()) or any(not len(places) for places in kept):
        if dead.numel() and not bool(dead.all()):
            return None
        raise UncuttableError(
            [number for claim in claims for number in claim.unique().tolist() if number != NONE], "nothing is left"
        )
    return tuple(kept)


def taken(tensor: Tensor, kept: Kept | None) -> Tensor:
    """What is left of a tensor."""
    for axis, places in enumerate(kept or ()):
        if len(places) < tensor.shape[axis]:
            tensor = tensor.index_select(axis, places.to(tensor.device))
    return tensor


def plan_tensors(wiring: Wiring, gone: Tensor) -> Plan:
    """The part of a plan that concerns parameters and buffers, and the layers that hold them."""
    plan, known = Plan(gone), tensors_of(wiring.model)
    for number in gone[:-1].nonzero()[:, 0].tolist():
        if number in wiring.refused:
            raise UncuttableError([number], wiring.refused[number])
    names = first_names(wiring.model)
    for name, claims in wiring.tensors.items():
        kept = rectangle(claims, known[name].shape, gone) if touched(claims, gone) else None
        if kept is not None:
            plan.tensors[name] = kept
        elif touched(claims, gone):
            raise UncuttableError(
                hit(claims, gone), f"{name} holds it beside other maps, so that a smaller tensor cannot lack it alone"
            )
    for module_name, module in wiring.model.named_modules():
        for local, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            kept = plan.tensors.get(names[f"{module_name}.{local}" if module_name else local])
            for axis, places in enumerate(kept or ()):
                _resize(plan, module_name, module, tensor.shape[axis], len(places))
    for layer in wiring.convolutions.values():
        if touched([layer.inputs, layer.outputs], gone):
            _plan_convolution(plan, layer, gone)
    return plan


def touched(claims: Claims, gone: Tensor) -> bool:
    """Whether a tensor holds a part of a deleted map."""
    return any(bool(gone[claim].any()) for claim in claims)


def hit(claims: Claims, gone: Tensor) -> list[int]:
    """The deleted maps of which a tensor holds a part."""
    return [number for claim in claims for number in claim[gone[claim]].unique().tolist()]


def _resize(plan: Plan, name: str, module: nn.Module, before: int, after: int) -> None:
    """Notes the new size of a layer in every attribute that holds the old one."""
    if before == after or not type(module).__module__.startswith("torch.nn"):
        return
    for attribute, value in vars(module).items():
        if isinstance(value, int) and not isinstance(value, bool) and value == before:
            plan.attributes[name, attribute] = after


def _plan_convolution(plan: Plan, layer: Convolution, gone: Tensor) -> None:
    """Cuts a convolution of any number of groups: groups that make nothing go, shorter ones are filled with zeros."""
    every = [owners.view(layer.groups, -1) for owners in (layer.inputs, layer.outputs)]
    numbers = [torch.arange(owners.numel()).view(owners.shape) for owners in every]
    left = [
        [own[~gone[owner]] for own, owner in zip(number, owners, strict=True)]
        for number, owners in zip(numbers, every, strict=True)
    ]
    groups = [group for group in range(layer.groups) if len(left[1][group])]
    if not groups or not any(len(some) for some in left[0]):
        raise UncuttableError(hit([layer.inputs, layer.outputs], gone), f"{layer.weight} would be left without channels")
    filled = [
        nn.utils.rnn.pad_sequence([side[group] for group in groups], batch_first=True, padding_value=NONE) for side in left
    ]
    if not filled[0].shape[1]:
        filled[0] = torch.full((len(groups), 1), NONE)
    slots = plan.convolutions[layer.weight] = Slots(*filled)
    plan.convolutions.update(dict.fromkeys(layer.biases, slots))
    sizes = {"groups": len(groups), "in_channels": filled[0].numel(), "out_channels": filled[1].numel()}
    for module in layer.modules:
        plan.attributes.update({(module, attribute): value for attribute, value in sizes.items()})
    kept = [torch.cat(side) for side in left]
    place = torch.full((len(layer.inputs) + 1,), NONE)
    place[kept[0]] = torch.arange(len(kept[0]))
    index = place[filled[0].flatten()].tolist()  # slot -1 reads the last place, which is NONE
    back = (filled[1].flatten() != NONE).nonzero()[:, 0].tolist()
    for call in layer.calls:
        if index != list(range(len(kept[0]))):
            plan.before[call.name] = Gather(index)
        if len(back) < filled[1].numel():
            plan.behind[call.name] = Gather(back)
        if not layer.modules:
            plan.arguments[call.name] = _with_groups(call, len(groups))
    if (plan.before or plan.behind) and not layer.calls:
        raise UncuttableError(hit([layer.inputs, layer.outputs], gone), f"{layer.weight} has {layer.groups} groups of maps")


def _with_groups(call: Any, groups: int) -> tuple[Any, Any]:
    if len(call.args) > 6:
        return (*call.args[:6], groups, *call.args[7:]), call.kwargs
    return call.args, {**call.kwargs, "groups": groups} if groups > 1 or "groups" in call.kwargs else call.kwargs
