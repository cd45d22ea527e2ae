"""Changes a whole network in place to what a plan leaves of it."""

from collections.abc import Mapping

from torch import Tensor, fx, nn

from pruning_oracle.bench.cutting.gather import Gather
from pruning_oracle.bench.cutting.plan import Plan
from pruning_oracle.bench.cutting.tensors import cut_tensor
from pruning_oracle.bench.cutting.wiring import Wiring, first_names, tensors_of
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.nan_probes import NONE

FOLDER = "gathers"  # the module that holds the Gathers of a cut network


def apply(wiring: Wiring, plan: Plan, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Cuts a copy of the whole network, in place, and fills it with `tensors`, which are as large as the whole network's."""
    names, new = first_names(wiring.model), dict[str, Tensor]()
    for name, old in tensors_of(model).items():
        first = names[name]
        if first not in new:
            left = cut_tensor(wiring, plan, first, tensors[first].detach())
            left = left.clone() if left.data_ptr() == tensors[first].data_ptr() else left
            new[first] = nn.Parameter(left, old.requires_grad) if isinstance(old, nn.Parameter) else left
        holder, _, local = name.rpartition(".")
        setattr(model.get_submodule(holder), local, new[first])
    for (name, attribute), value in plan.attributes.items():
        setattr(model.get_submodule(name), attribute, value)
    for name, maps in gate_maps(wiring, plan.gone).items():
        gate = model.get_submodule(name)
        assert isinstance(gate, Gate)
        gate.maps = range(len(maps)) if maps == tuple(range(len(maps))) else maps
    if isinstance(model, fx.GraphModule):
        _apply_to_graph(plan, model)


def gate_maps(wiring: Wiring, gone: Tensor) -> dict[str, tuple[int, ...]]:
    """For every gate, the map of each channel that is left, numbered anew within the gate's site (−1: none of that site's)."""
    found = {}
    for site in wiring.sites:
        own = {wiring.number[site.name, index] for index in range(site.maps)}
        place = {number: new for new, number in enumerate(sorted(number for number in own if not gone[number]))}
        for name in site.gates:
            channels = wiring.gates[name]
            found[name] = tuple(place.get(number, NONE) for number in channels[~gone[channels]].tolist())
    return found


def _apply_to_graph(plan: Plan, model: fx.GraphModule) -> None:
    nodes = {node.name: node for node in model.graph.nodes}
    for name, (args, kwargs) in plan.arguments.items():
        nodes[name].args, nodes[name].kwargs = fx.node.map_arg((args, kwargs), lambda source: nodes[source.name])
    result = dict(nodes)  # operation -> what gives its result in the cut network
    for name, node in nodes.items():  # in order: what takes from an operation takes from what replaced it
        if name in plan.before:
            source = _first(node)
            node.replace_input_with(source, _insert(model, f"{name}_before", plan.before[name], source))
        if name in plan.behind:
            result[name] = _replace(model, node, f"{name}_behind", plan.behind[name], node)
        if name in plan.gathers:
            origin, gather = plan.gathers[name]
            result[name] = _replace(model, node, name, gather, result[origin])
    replaced = [nodes[name] for name in plan.gathers]
    while replaced:  # what only served the replaced operations goes with them
        node = replaced.pop()
        if not node.users and node.op not in {"placeholder", "output"} and node in node.graph.nodes:
            replaced += node.all_input_nodes
            node.graph.erase_node(node)
    if plan.arguments or plan.before or plan.behind or plan.gathers:
        model.graph.lint()
        model.recompile()


def _first(node: fx.Node) -> fx.Node:
    source = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(source, fx.Node)
    return source


def _insert(model: fx.GraphModule, name: str, gather: Gather, source: fx.Node) -> fx.Node:
    if not hasattr(model, FOLDER):
        model.add_module(FOLDER, nn.Module())
    model.add_submodule(f"{FOLDER}.{name}", gather)
    with model.graph.inserting_after(source):
        return model.graph.call_module(f"{FOLDER}.{name}", (source,))


def _replace(model: fx.GraphModule, node: fx.Node, name: str, gather: Gather, source: fx.Node) -> fx.Node:
    new = _insert(model, name, gather, source)
    node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
    return new
