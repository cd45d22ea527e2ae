"""How one site's removals are replayed: which operations run, which of them take the linear step, and the memory of a pair."""

from dataclasses import dataclass

from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.consumers import Channels
from pruning_oracle.oracle.exact.batch_layout import Values

WHOLE, LINEAR = "whole operations", "linear step"


@dataclass(frozen=True)
class Way:
    """One way to replay the removals of a site: the operations to run, in order."""

    nodes: list[fx.Node]
    steps: dict[fx.Node, Channels]  # layers among them that take the linear step, with the channels of each map
    freed: dict[fx.Node, list[fx.Node]]  # for each operation, the values that it is the last to read
    held: int  # the most bytes that one (example, map) pair holds at any time


@dataclass
class Plan:
    """The ways to replay the removals of a site, by name, and the name of the one in use."""

    ways: dict[str, Way]
    taken: str = WHOLE

    @property
    def way(self) -> Way:
        """The way in use."""
        return self.ways[self.taken]


def plan(nodes: list[fx.Node], readers: dict[fx.Node, Channels], values: Values, examples: int) -> Plan:
    """The plan of a site: a way of whole operations and, if a layer can take the linear step, one with linear steps.

    `nodes` are the operations behind the site's gates, in order; `readers` the layers that can take the linear step, with the
    channels of each map; `values` the results of all operations for so many `examples`, which tell the memory of a pair.
    """
    ways = {WHOLE: _way(nodes, {}, values, examples)}
    if readers:
        ways[LINEAR] = _way(nodes, readers, values, examples)
    return Plan(ways)


def _way(nodes: list[fx.Node], steps: dict[fx.Node, Channels], values: Values, examples: int) -> Way:
    """The way in which `steps` take the linear step: runs only what is still needed, and drops values after their last use."""
    wanted = {nodes[-1]}
    for node in reversed(nodes):
        if node in wanted and node not in steps:
            wanted |= set(node.all_input_nodes)
    needed = [node for node in nodes if node in wanted]
    last = {source: node for node in needed if node not in steps for source in node.all_input_nodes if source in wanted}
    freed: dict[fx.Node, list[fx.Node]] = {}
    for source in needed:
        if source in last:
            freed.setdefault(last[source], []).append(source)
    return Way(needed, steps, freed, _held(needed, freed, values, examples))


def _held(nodes: list[fx.Node], freed: dict[fx.Node, list[fx.Node]], values: Values, examples: int) -> int:
    """The most bytes that an example holds at any time: its live values, and the inputs and outputs of the operation again.

    They count twice because libraries copy them.
    """
    size = {node: sum(leaf.nbytes for leaf in _tensors(value)) // examples for node, value in values.items()}
    live = worst = 0
    for node in nodes:
        live += size[node]
        worst = max(worst, live + size[node] + sum(size[source] for source in node.all_input_nodes))
        live -= sum(size[source] for source in freed.get(node, ()))
    return worst


def _tensors(value: object) -> list[Tensor]:
    return [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)]
