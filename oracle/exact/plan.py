"""How one site's removals are replayed: which operations run, which of them take the linear step, what a pair holds."""

from dataclasses import dataclass

from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.network.consumers import Channels
from pruning_oracle.oracle.exact.batch_layout import Values

WHOLE, LINEAR = "whole operations", "linear step"


@dataclass(frozen=True)
class Way:
    """Operations in the order they run."""

    nodes: list[fx.Node]
    steps: dict[fx.Node, Channels]  # layers among them that take the linear step
    freed: dict[fx.Node, list[fx.Node]]  # the values that each operation is the last to read
    held: int  # bytes that one (example, map) pair holds at the worst moment


@dataclass
class Plan:
    """A site's ways, by name, and the one taken."""

    ways: dict[str, Way]
    taken: str = WHOLE

    @property
    def way(self) -> Way:
        """The way taken."""
        return self.ways[self.taken]


def plan(nodes: list[fx.Node], readers: dict[fx.Node, Channels], values: Values, examples: int) -> Plan:
    """From the operations behind a site's gates, the layers that can take the linear step, and all values of some examples."""
    ways = {WHOLE: _way(nodes, {}, values, examples)}
    if readers:
        ways[LINEAR] = _way(nodes, readers, values, examples)
    return Plan(ways)


def _way(nodes: list[fx.Node], steps: dict[fx.Node, Channels], values: Values, examples: int) -> Way:
    """What must run when `steps` need nothing of the operations before them, and when each value can go."""
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
    """The most bytes at once: live values, and during an operation its inputs and outputs once more, as libraries copy them."""
    size = {node: sum(leaf.nbytes for leaf in _tensors(value)) // examples for node, value in values.items()}
    live = worst = 0
    for node in nodes:
        live += size[node]
        worst = max(worst, live + size[node] + sum(size[source] for source in node.all_input_nodes))
        live -= sum(size[source] for source in freed.get(node, ()))
    return worst


def _tensors(value: object) -> list[Tensor]:
    return [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)]
