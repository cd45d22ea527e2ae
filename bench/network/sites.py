"""Finds the feature maps of any convolutional network (conv → [BN] → [activation]) and inserts the gates that remove them.

A removed map must be zero in every layer that mixes maps. Its gates therefore stand in front of those layers, moved back
towards the convolution through operations that only pool or rearrange (`_place`), so that in a plain network the gate comes
directly behind the activation. Maps for which a zero does not equal deletion are left out, with the reason.
"""

import copy
import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import LeftOut, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.coupling import MapLabels, axis_of
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS
from pruning_oracle.bench.network.map_following import follow_maps
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.out_of_place import out_of_place
from pruning_oracle.bench.network.tracing import OWN_GATES, trace

Places = dict[int, list[fx.Node]]  # map -> the nodes behind which it is removed


def find_sites(model: nn.Module, inputs: Tensor) -> tuple[fx.GraphModule, tuple[Site, ...], tuple[LeftOut, ...]]:
    """A traced copy of the model with gates, its sites, and the maps that are left out, with the reasons.

    `inputs` is a batch of at least two examples, as the model takes it. The copy is in float32 on the CPU and shares no
    parameters with the model. BadInput if the model has no convolution or cannot be traced.
    """
    if not any(isinstance(module, CONVOLUTIONS) for module in model.modules()):
        raise BadInput(f"{type(model).__name__} has no convolution, so it has no feature maps to remove")
    graph = out_of_place(trace(copy.deepcopy(model).cpu().float()))
    two = inputs[:2].cpu()
    learned = follow_maps(graph, two.float() if two.is_floating_point() else two)
    places: Places = defaultdict(list)
    for node in learned.read:
        for label in sorted(learned.present(node)):
            places[label] += [place for place in _place(learned, node, label) if place not in places[label]]
    sites, left_out = _sites(learned, places)
    for name, module in model.named_modules():
        if isinstance(module, CONVOLUTIONS) and name not in learned.made:
            left_out.append(LeftOut(name, module.out_channels, "the forward pass does not call it"))
    gated = _insert(learned, sites, places)
    _check_same(type(model).__name__, learned, copy.deepcopy(model).cpu().float(), graph)
    return graph, gated, tuple(left_out)


def _check_same(name: str, learned: MapLabels, original: nn.Module, graph: fx.GraphModule) -> None:
    """Raises BadInput if the traced copy gives other outputs than the network, as it does where `+=` changes an alias."""
    inputs = next(value for node, value in learned.values.items() if node.op == "placeholder")
    with torch.no_grad():
        outputs = [tree.tree_leaves(network(inputs.clone())) for network in (original, graph)]
    for ours, theirs in zip(*outputs, strict=True):
        if isinstance(ours, Tensor) and not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise BadInput(
                f"torch.fx traces {name} as another function (an in-place operation on a value that has two names?): write it"
                f" without, or {OWN_GATES}"
            )


def _place(learned: MapLabels, node: fx.Node, label: int) -> list[fx.Node]:
    """The nodes behind which gates remove one map: as far back as zeros stay zeros, but behind its activation."""
    if label not in _movable(learned, node):
        return [node]
    holders = [source for source in node.all_input_nodes if label in learned.present(source)]
    return [place for source in holders for place in _place(learned, source, label)]


def _movable(learned: MapLabels, node: fx.Node) -> set[int]:
    """The maps that can equally be removed before an operation, since it keeps their zeros and only pools or rearranges."""
    if node not in learned.movable:
        sources = [source for source in node.all_input_nodes if learned.present(source)]
        labels = learned.labels[node][0]
        made = not sources or str(node.target) in learned.made or node in learned.meeting
        plain = all(isinstance(learned.values[source], Tensor) for source in sources)
        movable: set[int] = set()
        if not made and plain and labels is not None and not (len(sources) == 1 and _elementwise(learned, node, sources[0])):
            movable = learned.present(node) - _filled(learned, node, sources, labels)
        learned.movable[node] = movable
    return learned.movable[node]


def _filled(learned: MapLabels, node: fx.Node, sources: list[fx.Node], labels: Tensor) -> set[int]:
    """The maps for which an operation gives values other than zero when all it gets of any map is zeros."""
    empty = {source: learned.values[source].masked_fill(learned.labels[source][0] != NONE, 0.0) for source in sources}
    after = learned.run(node, empty)
    return {learned.root(label) for label in labels[(after != 0) & (labels != NONE)].unique().tolist()}


def _elementwise(learned: MapLabels, node: fx.Node, source: fx.Node) -> bool:
    """Whether an operation changes each number separately (an activation, a batch norm); changing nothing does not count."""
    before, after = learned.values[source], learned.values[node]
    other = torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    if before.shape != after.shape or torch.equal(learned.run(node, {source: other}), other):
        return False
    middle = tuple(size // 2 for size in before.shape)
    touched = before.clone()
    touched[middle] = math.nan
    hit = learned.run(node, {source: touched}).isnan()
    return int(hit.sum()) == 1 and bool(hit[middle])


def _sites(learned: MapLabels, places: Places) -> tuple[list[tuple[Site, list[int]]], list[LeftOut]]:
    """Groups maps into sites: those that the same convolutions make and the same gates remove; the other maps are left out.

    Each site comes with the labels of its maps.
    """
    spoiled = {learned.root(label): reason for label, reason in reversed(learned.spoiled.items())}
    makers: dict[int, list[str]] = defaultdict(list)
    left: dict[tuple[str, str], int] = defaultdict(int)
    for name, labels in learned.made.items():
        for label in map(learned.root, labels):
            reason = spoiled.get(label) or _homeless(learned, places.get(label, []))
            if reason is not None:
                left[name, reason] += 1
            elif name not in makers[label]:
                makers[label].append(name)
    groups: dict[Any, list[int]] = defaultdict(list)
    for label, names in makers.items():
        groups[tuple(names), tuple(places[label])].append(label)
    sites: list[tuple[Site, list[int]]] = []
    for (names, _), labels in groups.items():
        taken = sum(site.convolutions[0] == names[0] for site, _ in sites)
        index = {label: number for number, label in enumerate(labels)}
        channels = tuple(tuple(index.get(learned.root(label), NONE) for label in learned.made[name]) for name in names)
        sites.append((Site(names[0] + (f":{taken + 1}" if taken else ""), len(labels), names, (), channels), labels))
    out = [LeftOut(name, count, reason) for (name, reason), count in left.items()]
    return sites, out


def _homeless(learned: MapLabels, nodes: list[fx.Node]) -> str | None:
    if not nodes:
        return "its maps reach no layer that mixes maps"
    for node in nodes:
        if axis_of(learned.labels[node][0]) in {None, 0}:
            return f"its channels lie along no one axis behind {node}"
        if not learned.example_major(node):
            return f"the examples do not follow one another along the first axis behind {node}"
    return None


def _insert(learned: MapLabels, sites: list[tuple[Site, list[int]]], places: Places) -> tuple[Site, ...]:
    """Puts the gates into the graph; returns the sites with their gates' names."""
    graph, finished = learned.model, []
    holder = "gates"
    while hasattr(graph, holder):
        holder += "_"
    graph.add_module(holder, nn.Module())
    taken: set[str] = set()
    last: dict[fx.Node, fx.Node] = {}
    for site, labels in sites:
        names = []
        index = {label: number for number, label in enumerate(labels)}
        for number, node in enumerate(places[labels[0]]):
            found = learned.labels[node][0]
            axis = axis_of(found)
            assert found is not None
            assert axis is not None
            line = found.movedim(axis, 0).flatten(1)[:, 0].tolist()
            maps = [index.get(learned.root(label), NONE) if label != NONE else NONE for label in line]
            name = f"{holder}.{site.name.replace('.', '_').replace(':', '_')}" + (f"_{number + 1}" if number else "")
            while name in taken:
                name += "_"
            taken.add(name)
            graph.add_submodule(name, Gate(len(maps) if maps == list(range(len(maps))) else maps, axis))
            before = last.get(node, node)
            with graph.graph.inserting_after(before):
                gate = graph.graph.call_module(name, (before,))
            before.replace_all_uses_with(gate)
            gate.args = (before,)
            last[node] = gate
            names.append(name)
        finished.append(Site(site.name, site.maps, site.convolutions, tuple(names), site.channels))
    graph.recompile()
    return tuple(finished)
