"""Proves on the user's own network that removal is deletion: weights of the readers are set to 0 in the untouched network.

Maps of all sites are deleted at once, one of each, and the outputs compared with those of the gated network. Only if these
differ, site after site is tried alone, to find those for which a gate at 0 is something else than deletion.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.network.coupling import MapLabels
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, TRANSPOSED, TRANSPOSING
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.reading import INPUT_WEIGHTS, Read
from pruning_oracle.bench.network.tracing import outputs_of

ROUNDS = 2  # how often a map of every site is drawn
BLOCKING = 2  # a site of so few maps is tried alone: without one of them, little of the network is left to be compared
TOLERANCE = 1e-4  # relative to the largest output, in float32

Drawn = Mapping[Site, int]  # a map of each of some sites


class Readers:
    """The layers that read each map, and through which of their input channels."""

    def __init__(self, learned: MapLabels, reads: Sequence[Read]) -> None:
        self.of: dict[int, list[tuple[fx.Node, list[int]]]] = defaultdict(list)
        for read in reads:
            labels = learned.labels[read.source][0]
            channels: dict[int, list[int]] = defaultdict(list)
            for channel, label in enumerate([] if labels is None else learned.lines(labels, read.axis).tolist()):
                channels[label].append(channel)
            for label, places in channels.items():
                if label != NONE:
                    self.of[label].append((read.layer, places))

    def suspect(self, model: nn.Module, label: int) -> str:
        """The first layer that reads a map and is not torch's own, so that it may use its weights otherwise; or the network."""
        for layer, _ in self.of[label]:
            kind = type(model.get_submodule(str(layer.target))) if layer.op == "call_module" else nn.Module
            if layer.op == "call_module" and not kind.forward.__module__.startswith("torch."):
                return f"{layer.target} ({kind.__name__})"
        return "the network"

    @contextmanager
    def deleted(self, model: nn.Module, labels: Sequence[int]) -> Iterator[bool]:
        """Sets to 0, inside the block, what the network's layers make of these maps; gives false where that cannot be done."""
        slices = [_weights(model, layer, places) for label in labels for layer, places in self.of[label]]
        with zeroed([view for some in slices for view in some]):
            yield all(slices)


@contextmanager
def zeroed(views: Sequence[Tensor]) -> Iterator[None]:
    """Sets these views of weights to 0 inside the block."""
    kept = [view.clone() for view in views]
    try:
        for view in views:
            view.zero_()
        yield
    finally:
        for view, values in reversed(list(zip(views, kept, strict=True))):
            view.copy_(values)


def _weights(model: nn.Module, layer: fx.Node, channels: Sequence[int]) -> list[Tensor]:
    """Views of the weights that multiply input channels of a layer; empty if they are computed in the forward pass."""
    if layer.op != "call_module":
        weight: Any = layer.kwargs.get("weight", layer.args[1] if len(layer.args) > 1 else None)
        if not isinstance(weight, fx.Node) or weight.op != "get_attr":
            return []
        path, _, name = str(weight.target).rpartition(".")
        tensor = getattr(model.get_submodule(path), name)
        return [tensor[channel] if layer.target in TRANSPOSING else tensor[:, channel] for channel in channels]
    return input_weights(model.get_submodule(str(layer.target)), channels)


def input_weights(module: Any, channels: Sequence[int]) -> list[Tensor]:
    """Views of the weights that multiply these input channels of a layer that mixes maps."""
    if isinstance(module, TRANSPOSED):
        return [module.weight[channel] for channel in channels]
    if isinstance(module, CONVOLUTIONS):
        inputs, outputs = module.in_channels // module.groups, module.out_channels // module.groups
        groups = [(channel // inputs * outputs, channel % inputs) for channel in channels]
        return [module.weight[first : first + outputs, place] for first, place in groups]
    matrices = [getattr(module, name) for name in INPUT_WEIGHTS if hasattr(module, name)]
    return [matrix[:, channel] for matrix in matrices for channel in channels]


@torch.no_grad()
def untrue_sites(
    original: nn.Module, gates: fx.GraphModule, readers: Readers, labels: Mapping[Site, Sequence[int]], inputs: Tensor
) -> set[Site]:
    """The sites whose removal is not deletion, seen on `inputs`; `labels` are those of each site's maps."""
    generator = torch.Generator().manual_seed(0)
    untrue = set[Site]()

    def equal(drawn: Drawn) -> bool:
        values = {site: torch.ones(len(inputs), site.maps) for site in drawn}
        for site, index in drawn.items():
            values[site][:, index] = 0
        with readers.deleted(original, [labels[site][index] for site, index in drawn.items()]) as possible:
            deleted = tree.tree_leaves(outputs_of(original, inputs)) if possible else []
        with gated(gates, values):
            removed = tree.tree_leaves(gates(inputs.clone())) if possible else []
        return all(close(*pair) for pair in zip(removed, deleted, strict=True) if isinstance(pair[0], Tensor))

    for _ in range(ROUNDS):
        drawn = {site: int(torch.randint(site.maps, (), generator=generator)) for site in labels if site not in untrue}
        together = {site: index for site, index in drawn.items() if site.maps > BLOCKING}
        alone = [{site: index} for site, index in drawn.items() if site.maps <= BLOCKING]
        if not equal(together):
            alone += [{site: index} for site, index in together.items()]
        untrue |= {site for one in alone if not equal(one) for site in one}
    return untrue


def close(removed: Tensor, deleted: Tensor) -> bool:
    """Whether two outputs are equal up to rounding in float32, relative to the largest number."""
    if not removed.is_floating_point():
        return torch.equal(removed, deleted)
    scale = deleted.nan_to_num(0, 0, 0).abs().max().clamp(min=1e-30) if deleted.numel() else 1.0
    return torch.allclose(removed / scale, deleted / scale, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
