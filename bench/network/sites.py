"""Finds the feature maps of any convolutional network (conv → [BN] → [activation]) and inserts the gates that remove them.

A removed map must be zero in every layer that mixes maps. Its gates therefore stand in front of those layers, moved back
towards the convolution through operations that only pool or rearrange (`gate_places.py`), so that in a plain network the gate
comes directly behind the activation. Maps for which a zero does not equal deletion are left out, with the reason.
"""

import copy
from collections import defaultdict
from typing import Any

from torch import Tensor, fx, nn

from pruning_oracle.bench.case import LeftOut, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.any_batch import keep_axes
from pruning_oracle.bench.network.coupling import MapLabels
from pruning_oracle.bench.network.deletion_check import Readers, untrue_sites
from pruning_oracle.bench.network.gate_places import GatePlaces, Places
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS
from pruning_oracle.bench.network.map_following import follow_maps
from pruning_oracle.bench.network.nan_probes import NONE
from pruning_oracle.bench.network.plain_weights import plain_copy
from pruning_oracle.bench.network.small_inputs import inputs_to_study
from pruning_oracle.bench.network.tracing import trace

Grouped = list[tuple[Site, list[int]]]  # sites, with the labels of their maps


def find_sites(model: nn.Module, inputs: Tensor) -> tuple[fx.GraphModule, tuple[Site, ...], tuple[LeftOut, ...]]:
    """A traced copy of the model with gates, its sites, and the maps that are left out, with the reasons.

    `inputs` is a batch of at least two examples, as the model takes it. The copy is in float32 on the CPU and shares no
    parameters with the model. Maps are followed on smaller inputs where the network takes them; then maps of all sites are
    deleted from the untouched network, and those for which a gate at 0 gives other outputs are left out. BadInput if the model
    has no convolution or cannot be traced.
    """
    if not any(isinstance(module, CONVOLUTIONS) for module in model.modules()):
        raise BadInput(f"{type(model).__name__} has no convolution, so it has no feature maps to remove")
    plain, two = plain_copy(model), inputs[:2].cpu()
    two = two.float() if two.is_floating_point() else two
    graph = trace(copy.deepcopy(plain), two)
    called = {str(node.target) for node in graph.graph.nodes}
    graph.graph.eliminate_dead_code(_may_write)
    graph.recompile()
    keep_axes(graph, two)
    studied = inputs_to_study(plain, graph, two)
    learned, reads = follow_maps(graph, studied)
    places = GatePlaces(learned)
    found = places.find([read.source for read in reads])
    sites, left_out = _sites(learned, places, found)
    for name, module in plain.named_modules():
        if isinstance(module, CONVOLUTIONS) and name not in learned.made:
            reason = "the network's output does not follow from it" if name in called else "the forward pass does not call it"
            left_out.append(LeftOut(name, module.out_channels, reason))
    gated = _insert(learned, sites, found)
    labels = {site: of for site, (_, of) in zip(gated, sites, strict=True)}
    readers = Readers(learned, reads)
    untrue = untrue_sites(plain, graph, readers, labels, studied)
    for site in sorted(untrue, key=gated.index):
        left_out += _take_out(graph, site, readers.suspect(graph, labels[site][0]))
    return graph, tuple(site for site in gated if site not in untrue), tuple(left_out)


def _may_write(node: fx.Node) -> bool:
    """Whether an operation may do more than give a result: torch's names for those that write end in an underscore."""
    return node.is_impure() or getattr(node.target, "__name__", "").endswith("_")


def _sites(learned: MapLabels, places: GatePlaces, found: Places) -> tuple[Grouped, list[LeftOut]]:
    """Groups maps into sites: those that the same convolutions make and the same gates remove; the other maps are left out."""
    spoiled = {learned.root(label): reason for label, reason in reversed(learned.spoiled.items())}
    makers: dict[int, list[str]] = defaultdict(list)
    left: dict[tuple[str, str], int] = defaultdict(int)
    for name, labels in learned.made.items():
        for label in map(learned.root, labels):
            nodes = found.get(label, [])
            reasons = [reason for node in nodes if (reason := places.unfit(node))]
            reason = spoiled.get(label) or next(iter(reasons), None if nodes else "its maps reach no layer that mixes maps")
            if reason is not None:
                left[name, reason] += 1
            elif name not in makers[label]:
                makers[label].append(name)
    groups: dict[Any, list[int]] = defaultdict(list)
    for label, names in makers.items():
        if names:
            groups[tuple(names), tuple(found[label])].append(label)
    sites: Grouped = []
    for (names, _), labels in groups.items():
        taken = sum(site.convolutions[0] == names[0] for site, _ in sites)
        index = {label: number for number, label in enumerate(labels)}
        channels = tuple(tuple(index.get(learned.root(label), NONE) for label in learned.made[name]) for name in names)
        sites.append((Site(names[0] + (f":{taken + 1}" if taken else ""), len(labels), names, (), channels), labels))
    out = [LeftOut(name, count, reason) for (name, reason), count in left.items()]
    return sites, out


def _insert(learned: MapLabels, sites: Grouped, places: Places) -> tuple[Site, ...]:
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
            axis = learned.axis_of(found)
            assert found is not None
            assert axis is not None
            maps = [index.get(label, NONE) for label in learned.lines(found, axis).tolist()]
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


def _take_out(graph: fx.GraphModule, site: Site, suspect: str) -> list[LeftOut]:
    """Takes the gates of a site whose removal is not deletion out of the graph; returns its maps as left out."""
    for node in [node for node in graph.graph.nodes if node.op == "call_module" and node.target in site.gates]:
        node.replace_all_uses_with(node.args[0])
        graph.graph.erase_node(node)
        graph.delete_submodule(str(node.target))
    graph.recompile()
    reason = f"with weights of 0 for its maps, {suspect} gives other outputs than with maps of zeros"
    counts = [sum(index != NONE for index in channels) for channels in site.channels]
    return [LeftOut(name, count, reason) for name, count in zip(site.convolutions, counts, strict=True)]
