"""A network as a graph of operations whose values are kept, so that a removal recomputes only what depends on the map.

One ordinary pass keeps every value. To remove maps, only the operations behind the site's gates run again, with many
(example, map) pairs side by side; whatever else they read is taken from the kept values of the pair's example.
"""

from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.gates import Gate, gated
from pruning_oracle.oracle.exact import fold_batch_norms
from pruning_oracle.oracle.exact.batch_layout import Unreplayable, Values, learn_layout
from pruning_oracle.oracle.exact.linear_step import layers_with_linear_step, output_without_maps
from pruning_oracle.oracle.exact.plan import Plan, Way, plan
from pruning_oracle.oracle.exact.timed_choices import TimedChoices
from pruning_oracle.oracle.exact.untraced import one_removed

TRIAL = 128  # pairs that a site's two ways are timed on


class Traced:
    """A case's network, with a layout learned from a first batch; raises Unreplayable if its values cannot be kept.

    `room` is how many bytes pairs may hold. The memory format and each site's way are taken from `choices`, or timed and added.
    """

    def __init__(self, case: Case, batch: Batch, choices: TimedChoices, room: int) -> None:
        if not isinstance(case.model, fx.GraphModule):
            raise Unreplayable("it is not a traced network")
        self.case, self.choices, self.room = case, choices, room
        plain = fold_batch_norms.fold(case.model)
        formats = {fold_batch_norms.PLAIN: plain, fold_batch_norms.LAST: fold_batch_norms.channels_last(plain)}
        passes = {name: partial(model, fold_batch_norms.laid_out(batch.inputs, name)) for name, model in formats.items()}
        self.format = choices.fastest("memory format", passes)
        self.model = formats[self.format]
        self.nodes: list[fx.Node] = list(self.model.graph.nodes)
        self.interpreter = fx.Interpreter(self.model)
        self.gates = {node.target: node for node in self.nodes if isinstance(self._module(node), Gate)}
        self.plans: dict[Site, Plan] = {}
        self.layout = learn_layout(self._run, fold_batch_norms.laid_out(batch.inputs, self.format))

    def keep(self, batch: Batch) -> Any:
        """The network's output for a batch; keeps the values of this batch in place of the last one's."""
        self.values: Values = {}  # frees the last batch's values first
        self.values = self._run(fold_batch_norms.laid_out(batch.inputs, self.format))
        self.examples = batch.examples
        return self.values[self.nodes[-1]]

    @property
    def state(self) -> tuple[Values, int]:
        """The kept values and their number of examples; setting it returns to that batch after others were kept."""
        return self.values, self.examples

    @state.setter
    def state(self, kept: tuple[Values, int]) -> None:
        self.values, self.examples = kept

    def alive(self, site: Site) -> Bool[Tensor, "example map"]:
        """Where a map is not zero all over the example; removing it anywhere else changes nothing."""
        alive = torch.zeros(self.examples, site.maps, dtype=torch.bool, device=self.case.device)
        for name in site.gates:
            gate = self.model.get_submodule(name)
            assert isinstance(gate, Gate)
            channels = self.values[self.gates[name]].movedim(gate.axis, 1).ne(0).flatten(2).any(2)
            channels = channels.unflatten(0, (self.examples, -1)).any(1)
            for channel, index in enumerate(gate.maps):
                if index >= 0:
                    alive[:, index] |= channels[:, channel]
        return alive

    def prepare(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> None:
        """Plans a site unless that is done; times on the first of these pairs whether the linear step is faster."""
        if site in self.plans:
            return
        made = self._plan(site)
        few = max(1, min(TRIAL, self.room // max(1, *(way.held for way in made.ways.values()))))
        examples, maps = examples[:few], maps[:few]
        ways = {name: partial(self._replay, site, way, examples, maps) for name, way in made.ways.items()}
        made.taken = self.choices.fastest(site.name, ways)
        self.plans[site] = made

    def pair_bytes(self, site: Site) -> int:
        """The most bytes that one (example, map) pair holds at any time."""
        return self.plans[site].way.held

    def removed(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, map) pair with that map removed."""
        return self._replay(site, self.plans[site].way, examples, maps)

    def _module(self, node: fx.Node) -> Any:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _run(self, inputs: Tensor) -> Values:
        """Every operation's value on these inputs; raises Unreplayable if an operation overwrites a value."""
        values: Values = {}
        versions: list[tuple[Tensor, int]] = []
        for node in self.nodes:
            values[node] = inputs if node.op == "placeholder" else self._step(node, values)
            versions += [(leaf, leaf._version) for leaf in tree.tree_leaves(values[node]) if isinstance(leaf, Tensor)]
        if any(leaf._version != version for leaf, version in versions):
            raise Unreplayable("an operation overwrites a value in a way that cannot be rewritten")
        return values

    def _step(self, node: fx.Node, values: Values, examples: Int[Tensor, " pair"] | None = None) -> Any:
        """Runs one operation; inputs that are not in `values` are taken from the kept values of each pair's example."""

        def get(source: fx.Node) -> Any:
            if source in values or examples is None:
                return values[source]
            return self.layout.expand(source, self.values[source], examples)

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), get)
        return args[0] if node.op == "output" else getattr(self.interpreter, node.op)(node.target, args, kwargs)

    def _replay(self, site: Site, way: Way, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """The network's output for these pairs by one way; each value is dropped after its last use."""
        values: Values = {}
        with gated(self.model, {site: one_removed(self.case, site, maps)}):
            for node in way.nodes:
                if node in way.steps:
                    rows, source = self.layout.rows[node][0], node.all_input_nodes[0]
                    assert rows is not None
                    kept = self.values[source], self.values[node]
                    values[node] = output_without_maps(self._module(node), way.steps[node], *kept, rows, examples, maps)
                else:
                    values[node] = self._step(node, values, examples)
                for done in way.freed.get(node, ()):
                    del values[done]
        return values[way.nodes[-1]]

    def _plan(self, site: Site) -> Plan:
        """Plans a site: finds what depends on its gates or counts the examples, and which layers can take the linear step."""
        changed = {self.gates[name] for name in site.gates} | self.layout.counts
        for node in self.nodes:
            changed |= {node} if changed & set(node.all_input_nodes) else set()
        nodes = [node for node in self.nodes if node in changed]
        first = torch.zeros(1, dtype=torch.long, device=self.case.device)

        def run(some: list[fx.Node]) -> Values:
            values: Values = {}
            for node in some:
                values[node] = self._step(node, values, first)
            return values

        found = {
            node: channels
            for node, channels in layers_with_linear_step(self.model, site, nodes, run).items()
            if self._first_axis(node)
        }
        return plan(nodes, found, self.values, self.examples)

    def _first_axis(self, node: fx.Node) -> bool:
        """Whether a layer's input and output hold the batch in the same layout, along their first axis."""
        rows = [self.layout.rows[place][0] for place in (node, node.all_input_nodes[0])]
        return rows[0] == rows[1] and rows[0] is not None and rows[0].axis == 0
