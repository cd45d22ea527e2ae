"""How one site's removals are replayed: which operations run, which of them take the linear step, and the memory of a pair."""

from collections.abc import Mapping
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
    steps: Mapping[fx.Node, Channels]  # layers among them that take the linear step, with the channels of each map
    freed: dict[fx.Node, list[fx.Node]]  # for each operation, the values that it is the last to read
    held: int  # the most bytes that one (example, map) pair holds at any time


@dataclass
class Plan:
    """The ways to replay the removals of a site, by name, and the name of the one in use."""

    ways: dict[str, Way]
    taken: str

    @property
    def way(self) -> Way:
        """The way in use."""
        return self.ways[self.taken]


def make_way(
    nodes: list[fx.Node], steps: Mapping[fx.Node, Channels], counters: set[fx.Node], values: Values, examples: int
) -> Way:
    """The way that runs the operations `nodes`, in order, and drops each value after its last use.

    `steps` take the linear step, with the channels of each map, and `counters` read shapes alone; `values` are the results of
    all operations for so many `examples`, which tell the memory of a pair.
    """
    reads = {node: [] if node in steps or node in counters else node.all_input_nodes for node in nodes}
    last = {source: node for node in nodes for source in reads[node]}
    freed: dict[fx.Node, list[fx.Node]] = {}
    for source in nodes:
        if source in last:
            freed.setdefault(last[source], []).append(source)
    return Way(nodes, steps, freed, _held(reads, freed, values, examples))


def _held(reads: Mapping[fx.Node, list[fx.Node]], freed: dict[fx.Node, list[fx.Node]], values: Values, examples: int) -> int:
    """The most bytes that an example holds at any time: its live values, and the inputs and outputs of the operation again.

    They count twice because libraries copy them.
    """
    size = {node: sum(leaf.nbytes for leaf in _tensors(value)) // examples for node, value in values.items()}
    live = worst = 0
    for node, sources in reads.items():
        live += size[node]
        worst = max(worst, live + size[node] + sum(size[source] for source in sources))
        live -= sum(size[source] for source in freed.get(node, ()))
    return worst


def _tensors(value: object) -> list[Tensor]:
    return [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)]
