"""The layers that read a network's maps: whether means can be carried into their biases, and biases where they lack them."""

import copy
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Case, LeftOut
from pruning_oracle.bench.cutting.wiring import Wiring
from pruning_oracle.bench.network.consumers import Channels, consumers
from pruning_oracle.bench.network.flops import RECURRENT
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, MIXERS, is_depthwise

WITH_ONE_BIAS = (*CONVOLUTIONS, nn.Linear)
Feeds = Mapping[str, Sequence[tuple[str, Channels]]]  # of `consumers`


def read_channels(case: Case, maps: Mapping[str, Collection[int]], feeds: Feeds | None = None) -> dict[str, list[int]]:
    """The layers that read some `maps` (numbers by site) as modules, each with the input channels that carry these maps.

    A depthwise convolution is none: what it makes of a map is that map, and goes with it. `feeds` is what `consumers` says of
    the case, where it is known.
    """
    found: dict[str, set[int]] = {}
    for site, read in (consumers(case) if feeds is None else feeds).items():
        for layer, channels in read:
            own = {channel for index in maps.get(site, ()) for channel in channels[index]}
            if own and not is_depthwise(case.model.get_submodule(layer)):
                found.setdefault(layer, set()).update(own)
    return {layer: sorted(channels) for layer, channels in found.items()}


def with_biases(case: Case, layers: Iterable[str] | None = None) -> Case:
    """The case with a bias of zeros in every layer that reads maps and has none, or only in `layers`; outputs stay the same.

    It is the case itself if nothing lacks a bias, else a copy.
    """
    names = layers if layers is not None else read_channels(case, {site.name: range(site.maps) for site in case.sites})
    lacking = [name for name in names if _lacks(case.model.get_submodule(name))]
    if not lacking:
        return case
    model = copy.deepcopy(case.model)
    for name in lacking:
        _give(model.get_submodule(name))
    return dataclasses.replace(case, model=model)


def with_biases_of(case: Case, tensors: Iterable[str]) -> Case:
    """The case with the biases that a stored network of it has beyond its own: `tensors` are the stored names."""
    stored = {name.removesuffix(".bias") for name in tensors if name.endswith(".bias")}
    return with_biases(case, [name for name, _ in case.model.named_modules() if name in stored])


def uncarried(case: Case, wiring: Wiring) -> tuple[LeftOut, ...]:
    """The maps whose mean cannot, or not everywhere, be carried into the biases of what reads them, by site and reason.

    A layer that lacks a bias counts as one that has none, so ask of a case `with_biases`.
    """
    problems: dict[tuple[str, int], str] = {}
    read = set[tuple[str, int]]()
    for site, feeds in consumers(case).items():
        for layer, channels in feeds:
            module = case.model.get_submodule(layer)
            owners = [(site, index) for index, own in enumerate(channels) if own and not is_depthwise(module)]
            read.update(owners)
            if reason := why_not(layer, module) if owners else "":
                problems |= dict.fromkeys(owners, reason)
    for node in wiring.reading:
        if node.op == "call_module" and isinstance(wiring.model.get_submodule(str(node.target)), MIXERS):
            continue
        reason = f"the operation {node.name} reads it, which is no layer with a bias"
        problems |= {wiring.owners[number]: reason for number in _read_by(wiring, node)}
    counts: dict[tuple[str, str], int] = {}
    for owner in [(site.name, index) for site in case.sites for index in range(site.maps)]:
        reason = problems.get(owner, "" if owner in read else "no layer reads it as an input channel of its own")
        counts[owner[0], reason] = counts.get((owner[0], reason), 0) + 1
    return tuple(LeftOut(site, maps, reason) for (site, reason), maps in counts.items() if reason)


def _read_by(wiring: Wiring, node: Any) -> set[int]:
    claims = [claim for source in node.all_input_nodes for leaf in wiring.claims.get(source, []) for claim in leaf]
    return {number for claim in claims for number in claim.unique().tolist() if number >= 0}


def why_not(name: str, layer: nn.Module) -> str:
    """Why a layer takes no mean into its bias; empty if it does."""
    if isinstance(layer, RECURRENT):
        return "" if input_biases(layer) else f"{name} is recurrent and has no biases"
    if not isinstance(layer, WITH_ONE_BIAS):
        return f"{name} is a {type(layer).__name__}"
    if layer.bias is None:
        return f"{name} has no bias"
    return "" if _adds_its_bias(layer) else f"{name} does not simply add its bias"


def input_biases(layer: nn.Module) -> dict[str, Tensor]:
    """The biases of a recurrent layer that go with the matrices by which it reads its input, by name."""
    names = ("bias_ih", "bias_ih_l0", "bias_ih_l0_reverse")
    return {name: value for name, value in layer.named_parameters(recurse=False) if name in names}


def _lacks(layer: nn.Module) -> bool:
    return isinstance(layer, WITH_ONE_BIAS) and layer.bias is None and not is_depthwise(layer)


def _give(layer: Any) -> None:
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    weight = layer.weight
    layer.bias = nn.Parameter(weight.new_zeros(outputs), requires_grad=weight.requires_grad)


@torch.no_grad()
def _adds_its_bias(layer: Any) -> bool:
    """Whether a layer adds its bias to what it computes: torch's own do, one with a forward pass of its own is tried."""
    if any(type(layer).forward is kind.forward for kind in WITH_ONE_BIAS):
        return True
    trial = copy.deepcopy(layer)
    if isinstance(layer, nn.Linear):
        zeros = layer.weight.new_zeros(1, layer.in_features)
    else:
        sizes = [width * (size - 1) + 1 for size, width in zip(layer.kernel_size, layer.dilation, strict=True)]
        zeros = layer.weight.new_zeros(1, layer.in_channels, *sizes)
    before = trial(zeros)
    trial.bias += 1
    return torch.allclose(trial(zeros), before + 1, atol=1e-3)
