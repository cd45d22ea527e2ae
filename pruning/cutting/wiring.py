"""Wiring: which feature map each input and output channel of every layer carries."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.network.cost import PER_MAP
from pruning_oracle.bench.network.flops import RECURRENT
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, is_depthwise
from pruning_oracle.pruning.cutting.padding import Owner, Owners, Pads, pads, shrunk


@dataclass(frozen=True)
class Wiring:
    """The maps that are left, and the channels that carry them. Maps keep the numbers that they had in the whole network."""

    maps: Mapping[str, tuple[int, ...]]  # site -> its maps
    inputs: Mapping[str, Owners]  # layer -> the map that each input channel carries
    outputs: Mapping[str, Owners]  # convolution -> the map that each output channel carries
    pads: Pads  # padding of channels -> the maps in place of its zeros, in front and behind

    def without(self, gone: Collection[Owner]) -> "Wiring":
        """The wiring after the maps in `gone` are deleted."""
        return Wiring(
            {site: tuple(index for index in maps if (site, index) not in gone) for site, maps in self.maps.items()},
            {name: tuple(owner for owner in owners if owner not in gone) for name, owners in self.inputs.items()},
            {name: tuple(owner for owner in owners if owner not in gone) for name, owners in self.outputs.items()},
            shrunk(self.pads, gone),
        )

    def site(self, whole: Site) -> Site:
        """A site of the whole network with the maps that are left, numbered anew from 0."""
        place = {(whole.name, index): number for number, index in enumerate(self.maps[whole.name])}
        channels = tuple(tuple(_place(place, owner) for owner in self.outputs[name]) for name in whole.convolutions)
        return replace(whole, maps=len(place), channels=channels)

    def gate(self, name: str, site: str) -> tuple[int, ...] | range:
        """The value of `Gate.maps` for a gate of a site: the new number of each channel's map (−1: none of that site's)."""
        place = {(site, index): number for number, index in enumerate(self.maps[site])}
        found = tuple(_place(place, owner) for owner in self.inputs[name])
        return range(len(found)) if found == tuple(range(len(found))) else found


def _place(place: Mapping[Owner, int], owner: Owner | None) -> int:
    return -1 if owner is None else place.get(owner, -1)


def wire(case: Case) -> Wiring:
    """The wiring of a case's whole network, found by following its maps."""
    outputs = _outputs(case)
    inputs = _inputs(case)
    for name, made in outputs.items():  # a depthwise convolution belongs to a site, and reads the maps that it makes
        module = case.model.get_submodule(name)
        if is_depthwise(module):
            inputs[name] = made[:: len(made) // width(module)]
    return Wiring({site.name: tuple(range(site.maps)) for site in case.sites}, inputs, outputs, pads(case.model, inputs))


def _outputs(case: Case) -> dict[str, Owners]:
    found: dict[str, list[Owner | None]] = {}
    for site in case.sites:
        for name, channels in zip(site.convolutions, site.channels, strict=True):
            _own(found.setdefault(name, [None] * len(channels)), site.name, channels)
    return {name: tuple(owners) for name, owners in found.items()}


def _inputs(case: Case) -> dict[str, Owners]:
    find = case.model.get_submodule
    found: dict[str, list[Owner | None]] = {}
    for name, feeds in consumers(case, (*PER_MAP, Gate)).items():
        for layer, channels_of in feeds:
            if isinstance(find(layer), nn.PReLU) and width(find(layer)) == 1:
                continue  # one slope for all maps
            owners = found.setdefault(layer, [None] * width(find(layer)))
            for index, own in enumerate(channels_of):
                for channel in own:
                    owners[channel] = (name, index)
    for site in case.sites:
        for name in site.gates:  # a gate knows which channels carry its own site's maps
            gate: Any = find(name)
            _own(found.setdefault(name, [None] * len(gate.maps)), site.name, gate.maps)
    return {name: tuple(owners) for name, owners in found.items()}


def _own(owners: list[Owner | None], site: str, channels: Iterable[int]) -> None:
    for channel, index in enumerate(channels):
        if index >= 0:
            owners[channel] = (site, index)


def width(module: Any) -> int:
    """The number of input channels of a layer or gate."""
    if isinstance(module, Gate):
        return len(module.maps)
    if isinstance(module, CONVOLUTIONS):
        return int(module.in_channels)
    if isinstance(module, nn.PReLU):
        return module.num_parameters
    if isinstance(module, (*RECURRENT, nn.Linear)):
        return int(module.in_features if isinstance(module, nn.Linear) else module.input_size)
    return int(module.num_features)
