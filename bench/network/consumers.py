"""Finds the layers that a feature map feeds, and through which of their input channels: these are deleted with the map.

Maps are followed by NaNs, as in `map_following.py`. A map is set to NaN at its convolutions and at its gates, and the channels
that it reaches turn NaN. A layer that mixes maps gets zeros in place of NaNs, so that the NaNs spread no further. All maps of
all sites are numbered; two passes for each binary digit of these numbers, one for each value of the digit, tell them apart.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils import _pytree as tree
from torch.utils.hooks import RemovableHandle

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.network.layer_kinds import MIXERS, is_depthwise
from pruning_oracle.bench.network.nan_probes import NONE, decode_owners, probes

Channels = list[list[int]]  # for each map of a site, its channels (features) in a module's input
Call = tuple[str, int]  # a module's name, and the index of one of its calls
GateValues = Mapping[Site, Float[Tensor, " map"]]


@dataclass(frozen=True)
class NanPattern:
    """What one pass shows of a module's input in one call."""

    some: Bool[Tensor, " channel"]  # channels with NaNs
    only: Bool[Tensor, " channel"]  # channels that hold nothing but NaNs and zeros (zeros come from padding)
    even: bool  # every channel is NaN everywhere or nowhere
    level: bool  # every position is NaN in all channels or in none: maps may lie along the positions


def consumers(case: Case, also: tuple[type[nn.Module], ...] = ()) -> dict[str, list[tuple[str, Channels]]]:
    """For every site, the layers that its maps feed, in order of their calls: each layer's name, and each map's input channels.

    A channel counts if it carries the map and nothing else in every call of the layer, all of one width. The layers are those
    that mix maps, and modules of the types in `also`. A depthwise convolution is listed unless it is one of the site's own.
    Layers that are called as functions (`torch.nn.functional.conv2d`) are not seen, and packed sequences are not followed.
    """
    along: set[Call] = set()
    while True:  # a linear layer along positions mixes no maps: layers behind it show once it may pass NaNs on
        seen = _look(case, also, along)
        more = {call for call, sights in seen.items() if _lies_along(case, call, sights)} - along
        if not more:
            break
        along |= more
    numbers = [(place, index) for place, site in enumerate(case.sites) for index in range(site.maps)]
    calls: dict[str, list[list[int]]] = defaultdict(list)
    for (name, _), sights in seen.items():
        calls[name].append(_owners(sights))
    found: dict[str, list[tuple[str, Channels]]] = {site.name: [] for site in case.sites}
    for name, lines in calls.items():
        if len({len(line) for line in lines}) > 1:
            continue  # it serves several widths, so it holds nothing of single channels
        depthwise = is_depthwise(case.model.get_submodule(name))
        read: dict[int, Channels] = {}
        for channel, owners in enumerate(zip(*lines, strict=True)):
            if set(owners) == {owners[0]} != {NONE}:
                place, index = numbers[owners[0]]
                read[place] = read[place] if place in read else [[] for _ in range(case.sites[place].maps)]
                read[place][index].append(channel)
        for place, channels in read.items():
            site = case.sites[place]
            if not (depthwise and name in site.convolutions):
                found[site.name].append((name, channels))
    return found


def _owners(sights: list[NanPattern]) -> list[int]:
    """For each channel, the number of the only map that it carries; NONE if it carries none, several, or other values."""
    some, only = torch.stack([sight.some for sight in sights]), torch.stack([sight.only for sight in sights])
    mixed = (some & ~only).any(0) | (some[::2] & some[1::2]).any(0)
    owners = decode_owners(list(some & ~mixed))
    assert owners is not None
    return owners.tolist()


def _lies_along(case: Case, call: Call, sights: list[NanPattern]) -> bool:
    """Whether maps lie along the positions of a linear layer's input, not along its features."""
    linear = isinstance(case.model.get_submodule(call[0]), nn.Linear)
    return linear and all(sight.level for sight in sights) and not all(sight.even for sight in sights)


def _look(case: Case, also: tuple[type[nn.Module], ...], along: set[Call]) -> dict[Call, list[NanPattern]]:
    """Runs all passes; returns what each shows of every call. The calls in `along` pass NaNs on instead of getting zeros."""
    seen: dict[Call, list[NanPattern]] = defaultdict(list)
    inputs = next(case.batches(case.train, [0], 1)).inputs
    weight = next(case.model.parameters())
    maps = [site.maps for site in case.sites]
    for followed in probes(sum(maps)):
        values = torch.where(followed, math.nan, 1.0).to(weight).split(maps)
        chosen = dict(zip(case.sites, values, strict=True))
        gates = {site: value[None] for site, value in chosen.items()}
        with torch.no_grad(), gated(case.model, gates), _followed(case, also, along, chosen, seen):
            case.model(inputs)
    return seen


@contextmanager
def _followed(
    case: Case, also: tuple[type[nn.Module], ...], along: set[Call], values: GateValues, seen: dict[Call, list[NanPattern]]
) -> Iterator[None]:
    """Puts hooks on the network for one pass inside the block.

    They note in `seen` what arrives at each call, put zeros in place of NaNs before layers that mix maps, and set the outputs
    of the sites' convolutions to NaN for the maps that `values` follows.
    """
    made = _made(values)
    calls: Counter[str] = Counter()
    arrived: dict[str, Tensor] = {}

    def before(name: str, module: nn.Module, args: Any, kwargs: Any) -> Any:
        given = args[0] if args else kwargs["input"]
        if not isinstance(given, Tensor):
            return None
        call = (name, calls[name])
        calls[name] += 1
        last = isinstance(module, (nn.Linear, nn.RNNBase, nn.RNNCellBase))
        axis = given.ndim - 1 if last else min(1, given.ndim - 1)
        lines = given.movedim(axis, 0).reshape(given.shape[axis], -1)
        nans = lines.isnan()
        arrived[name] = some = nans.any(1)
        only, even, level = (nans | (lines == 0)).all(1), torch.equal(some, nans.all(1)), bool((nans == nans[:1]).all())
        seen[call].append(NanPattern(some.cpu(), only.cpu(), even, level))
        kept = not isinstance(module, MIXERS) or call in along
        return None if kept else tree.tree_map_only(Tensor, lambda leaf: leaf.masked_fill(leaf.isnan(), 0), (args, kwargs))

    def after(name: str, module: nn.Module, _: Any, output: Any) -> Any:
        factor = made.get(name)
        if is_depthwise(module) and name in arrived:
            passed = torch.where(arrived[name], math.nan, 1.0).repeat_interleave(output.shape[1] // len(arrived[name]))
            factor = passed if factor is None else factor * passed
        return None if factor is None else output * factor.to(output).view(-1, *[1] * (output.ndim - 2))

    hooks: list[RemovableHandle] = []
    watched: tuple[type[nn.Module], ...] = (*MIXERS, *also)
    try:
        for name, module in case.model.named_modules():
            if isinstance(module, watched):
                hooks.append(module.register_forward_pre_hook(partial(before, name), with_kwargs=True))
                hooks.append(module.register_forward_hook(partial(after, name)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _made(values: GateValues) -> dict[str, Tensor]:
    """The factor of each output channel of the sites' convolutions, by convolution: NaN for a map that is followed, else 1."""
    factors: dict[str, Tensor] = {}
    for site, value in values.items():
        for name, channels in zip(site.convolutions, site.channels, strict=True):
            own = torch.cat([value, value.new_ones(1)])[list(channels)]  # index −1 picks the 1 that is added
            factors[name] = own * factors.get(name, 1)
    return factors
