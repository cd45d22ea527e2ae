"""Wiring: which feature map every number of a network carries, in activations, parameters, buffers and constants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.nan_probes import NONE

Owner = tuple[str, int]  # a site's name and the map's number in the whole network
Claims = list[Tensor]  # each holds a map's number, or NONE, per element, with size 1 along axes that do not matter


@dataclass(frozen=True)
class Convolution:
    """The weights of a convolution and the maps that its channels carry, by number (NONE: no map of a site)."""

    weight: str  # its name in the network
    groups: int
    transposed: bool
    inputs: Tensor
    outputs: Tensor
    biases: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    calls: list[fx.Node] = field(default_factory=list)


@dataclass(frozen=True)
class Wiring:
    """What carries the maps of a whole network. Maps are numbered through all sites, in their order."""

    sites: tuple[Site, ...]
    model: nn.Module  # a copy of the whole network, in float32 on the CPU
    tensors: Mapping[str, Claims]  # parameters and buffers, except the weights and biases of convolutions
    convolutions: Mapping[str, Convolution]  # by the name of their weight
    gates: Mapping[str, Tensor]  # gate -> the map of each of its channels
    values: Mapping[fx.Node, Any] = field(default_factory=dict)  # of a traced network: every operation's result on two examples
    claims: Mapping[fx.Node, list[Claims]] = field(default_factory=dict)  # for every tensor in such a result
    reading: frozenset[fx.Node] = frozenset()  # operations that mix maps
    refused: Mapping[int, str] = field(default_factory=dict)  # map -> why it cannot be deleted
    places: dict[tuple[fx.Node, fx.Node], Tensor | None] = field(default_factory=dict)  # what `source_of_each` has found

    @cached_property
    def owners(self) -> list[Owner]:
        """The maps of all sites, in the order of their numbers."""
        return [(site.name, index) for site in self.sites for index in range(site.maps)]

    @cached_property
    def number(self) -> dict[Owner, int]:
        """The number of every map."""
        return {owner: number for number, owner in enumerate(self.owners)}

    def mask(self, gone: Iterable[Owner]) -> Tensor:
        """Which maps are in `gone`, by number; a last False stands for NONE."""
        found = torch.zeros(len(self.owners) + 1, dtype=torch.bool)
        found[[self.number[owner] for owner in gone]] = True
        return found

    @cached_property
    def needed(self) -> list[frozenset[Owner]]:
        """Sets of maps of which one must stay, so that no site, layer or operation is left without any channel."""
        every = [claim for claims in self.claims.values() for leaf in claims for claim in leaf]
        every += [claim for claims in self.tensors.values() for claim in claims]
        every += [claim for layer in self.convolutions.values() for claim in (layer.inputs, layer.outputs)]
        numbers = {frozenset(claim.unique().tolist()) for claim in every if claim.numel() and not bool((claim == NONE).any())}
        found = {frozenset(self.owners[number] for number in some) for some in numbers}
        found |= {frozenset((site.name, index) for index in range(site.maps)) for site in self.sites}
        smallest: list[frozenset[Owner]] = []
        for some in sorted(found, key=lambda some: (len(some), sorted(some))):
            if not any(other <= some for other in smallest):
                smallest.append(some)
        return smallest


def shortened(claim: Tensor) -> Tensor:
    """A claim with size 1 along every axis on which it does not depend."""
    for axis in range(claim.ndim):
        if claim.shape[axis] > 1 and bool((claim == claim.narrow(axis, 0, 1)).all()):
            claim = claim.narrow(axis, 0, 1)
    return claim.clone()


def along(owners: Tensor, axis: int, ndim: int) -> Tensor:
    """A claim by the maps that the places along one axis carry."""
    return owners.view([-1 if place == axis % ndim else 1 for place in range(ndim)])


def line(claims: Claims, axis: int, ndim: int, size: int) -> Tensor:
    """The map of each place along one axis, whatever numbers without a map lie there beside it; NONE where there is none."""
    found = torch.full((size,), NONE)
    for claim in claims:
        flat = claim.movedim(axis % ndim, 0).reshape(claim.shape[axis], -1)
        high = flat.max(1).values
        alone = ((flat == high[:, None]) | (flat == NONE)).all(1)
        found = torch.where((found == NONE) & alone, high.expand(size), found)
    return found


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name; one that has several names appears under each of them."""
    found: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    return found | dict(model.named_buffers(remove_duplicate=False))


def first_names(model: nn.Module) -> dict[str, str]:
    """For each name of a parameter or buffer, the first name that the same tensor has."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors_of(model).items()}
