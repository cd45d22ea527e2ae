"""A network as a graph of operations whose values are kept, so that a removal recomputes only what depends on the map.

One ordinary pass keeps every value. To remove maps, only the operations behind their gates run again, with many (example,
removal) pairs side by side; whatever else they read is taken from the kept values of the pair's example. Sizes, and what is
made of them alone, are no part of what depends on a map.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.consumers import Channels
from pruning_oracle.bench.network.gates import Gate, gated
from pruning_oracle.oracle.exact import choices, fold_batch_norms
from pruning_oracle.oracle.exact.batch_layout import Unreplayable, Values, learn_layout
from pruning_oracle.oracle.exact.linear_step import layers_with_linear_step, output_without_maps
from pruning_oracle.oracle.exact.plan import LINEAR, WHOLE, Plan, Way, make_way
from pruning_oracle.oracle.exact.removals import Removals


class Traced:
    """A case's network, with a layout learned from a first batch; raises Unreplayable if its values cannot be kept.

    The memory format and each site's way are taken from `chosen`, or chosen by rule and added to it.
    """

    def __init__(self, case: Case, batch: Batch, chosen: choices.Choices) -> None:
        if not isinstance(case.model, fx.GraphModule):
            raise Unreplayable("it is not a traced network")
        self.case, self.chosen = case, chosen
        formats = {fold_batch_norms.PLAIN, fold_batch_norms.LAST}
        self.format = chosen.follow("memory format", choices.memory_format(case.device, case.precision), formats)
        plain = fold_batch_norms.fold(case.model)
        self.model = fold_batch_norms.channels_last(plain) if self.format == fold_batch_norms.LAST else plain
        self.nodes: list[fx.Node] = list(self.model.graph.nodes)
        self.interpreter = fx.Interpreter(self.model)
        if any("autocast" in str(node.target) for node in self.nodes):
            raise Unreplayable("it changes the precision in the middle of its forward pass")
        self.plans: dict[str, Plan] = {}  # by the name of the removals that are replayed alike
        self.layout = learn_layout(self.nodes, self._step, fold_batch_norms.laid_out(batch.inputs, self.format))

    def keep(self, batch: Batch) -> Any:
        """The network's output for a batch; keeps the values of this batch in place of the last one's.

        Raises Unreplayable if they are not laid out as the layout says.
        """
        self.values: Values = {}  # frees the last batch's values first
        self.standing_in: dict[tuple[str, fx.Node], Tensor] = {}
        self.values = self._run(fold_batch_norms.laid_out(batch.inputs, self.format))
        self.examples = batch.examples
        for node, value in self.values.items():
            if not self.layout.fits(node, value, self.examples):
                raise Unreplayable(f"the layout of {node} depends on how many examples there are")
        return self.values[self.nodes[-1]]

    @property
    def state(self) -> tuple[Values, int]:
        """The kept values and their number of examples; setting it returns to that batch after others were kept."""
        return self.values, self.examples

    @state.setter
    def state(self, kept: tuple[Values, int]) -> None:
        self.values, self.examples = kept
        self.standing_in = {}

    def alive(self, site: Site) -> Bool[Tensor, "example map"]:
        """Where a map is not what stands in for it all over the example; removing it anywhere else changes nothing."""
        alive = torch.zeros(self.examples, site.maps, dtype=torch.bool, device=self.case.device)
        for node in self._gates(site):
            gate = self._module(node)
            if not isinstance(gate, Gate):
                return torch.ones_like(alive)  # the gate lies inside a module that is one operation
            value = self.values[node]
            lines = value.ne(gate.standing_in(value)).movedim(gate.axis, 1)
            channels = lines.reshape(self.examples, -1, lines.shape[1], lines[0, 0].numel()).any(3).any(1)
            for channel, index in enumerate(gate.maps):
                if index >= 0:
                    alive[:, index] |= channels[:, channel]
        return alive

    def prepare(self, removals: Removals) -> None:
        """Plans the replay of removals, unless that is done."""
        if removals.name not in self.plans:
            made = self._plan(removals.site, removals.alone)
            made.taken = self.chosen.follow(removals.name, made.taken, made.ways)
            self.plans[removals.name] = made

    def pair_bytes(self, removals: Removals) -> int:
        """The most bytes that one (example, removal) pair holds at any time, beside its gates' values."""
        return self.plans[removals.name].way.held

    def removed(self, removals: Removals, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, removal) pair; `which` are places in `removals`."""
        return self._replay(removals, self.plans[removals.name].way, examples, which)

    def order(self, sites: Iterable[Site]) -> list[Site]:
        """The sites by their first gates, as the network comes to them."""
        return sorted(sites, key=lambda site: min(self._places[site]))

    def _module(self, node: fx.Node) -> Any:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _gates(self, site: Site) -> list[fx.Node]:
        """The operations that call the site's gates, or modules that hold them."""
        gates = {self.model.get_submodule(name) for name in site.gates}
        called = [(node, self._module(node)) for node in self.nodes if node.op == "call_module"]
        return [node for node, module in called if gates & set(module.modules())]

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

    def _step(self, node: fx.Node, values: Mapping[fx.Node, Any], examples: Int[Tensor, " pair"] | None = None) -> Any:
        """Runs one operation; inputs that are not in `values` are taken from the kept values of each pair's example."""

        def get(source: fx.Node) -> Any:
            if examples is not None and node in self.layout.counters:
                return self.layout.stand_in(source, self.values[source], len(examples))
            if source in values or examples is None:
                return values[source]
            return self.layout.expand(source, self.values[source], examples)

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), get)
        return args[0] if node.op == "output" else getattr(self.interpreter, node.op)(node.target, args, kwargs)

    @cached_property
    def _places(self) -> dict[Site, list[int]]:
        """The places of every site's gates among all operations."""
        return {site: [self.nodes.index(node) for node in self._gates(site)] for site in self.case.sites}

    def _replay(self, removals: Removals, way: Way, examples: Int[Tensor, " pair"], which: Int[Tensor, " pair"]) -> Any:
        """The network's output for these pairs by one way; each value is dropped after its last use."""
        values: Values = {}
        fills = {node: self._standing_in(removals.site, node) for node in way.steps}
        with gated(self.model, removals.gates(which), examples):
            for node in way.nodes:
                if node in way.steps:
                    rows, source = self.layout.rows[node][0], node.all_input_nodes[0]
                    assert rows is not None
                    kept = self.values[source], fills[node], self.values[node]
                    channels = way.steps[node]
                    gone = [[channel for index in maps for channel in channels[index]] for maps in removals.maps]
                    values[node] = output_without_maps(self._module(node), gone, *kept, rows, examples, which)
                else:
                    values[node] = self._step(node, values, examples)
                for done in way.freed.get(node, ()):
                    del values[done]
        return values[way.nodes[-1]]

    def _standing_in(self, site: Site, node: fx.Node) -> Tensor | None:
        """What a layer that takes the linear step would get with every map of a site removed; None if these are zeros.

        It is that of every example where samples stand in, else of one, since all are alike where they belong to maps.
        """
        if self.case.fill is None:
            return None
        if (site.name, node) not in self.standing_in:
            examples = torch.arange(self.examples if self.case.fill.samples else 1, device=self.case.device)
            values: Values = {}
            gone = torch.zeros(len(examples), site.maps, device=self.case.device)
            with gated(self.model, {site: gone}, examples):
                for needed in self._needed(node.all_input_nodes[:1], self._changed(self._gates(site))):
                    values[needed] = self._step(needed, values, examples)
            self.standing_in[site.name, node] = values[node.all_input_nodes[0]]
        return self.standing_in[site.name, node]

    def _plan(self, site: Site, alone: bool) -> Plan:
        """Plans removals at a site: finds what depends on its gates, and the layers among it that take the linear step.

        Unless the site is `alone`, all that depends on any gate behind its first one runs again, too, and no layer that reads
        such values takes the linear step.
        """
        own, behind = self._changed(self._gates(site)), set[fx.Node]()
        if not alone:
            first = min(self._places[site])
            others = (place for other in self._places for place in self._places[other] if other != site)
            behind = self._changed(self.nodes[place] for place in others if place >= first)
        changed = own | behind
        found = {node: step for node, step in self._steps(site, own).items() if not behind & set(node.all_input_nodes)}
        ways = {
            name: make_way(
                self._needed(self.nodes[-1:], changed, steps), steps, self.layout.counters, self.values, self.examples
            )
            for name, steps in {WHOLE: {}, LINEAR: found}.items()
            if name == WHOLE or steps
        }
        worth = any(choices.worth_a_linear_step(self._module(node), self.values[node], self.examples) for node in found)
        return Plan(ways, LINEAR if worth else WHOLE)

    def _changed(self, gates: Iterable[fx.Node]) -> set[fx.Node]:
        """The operations that depend on what these gates give, and the gates themselves."""
        changed = set(gates)
        for node in self.nodes:
            if node not in self.layout.counters and changed & set(node.all_input_nodes):
                changed.add(node)
        return changed

    def _needed(self, wanted: Iterable[fx.Node], changed: set[fx.Node], steps: Iterable[fx.Node] = ()) -> list[fx.Node]:
        """The operations that must run for `wanted` where `changed` depend on a site's gates; `steps` need no inputs."""
        needed = set(wanted)
        for node in reversed(self.nodes):
            if node in needed and node not in self.layout.counters and node not in steps:
                needed |= {source for source in node.all_input_nodes if source in changed or source not in self.layout.rows}
        return [node for node in self.nodes if node in needed]

    def _steps(self, site: Site, changed: set[fx.Node]) -> dict[fx.Node, Channels]:
        """The layers that can take the linear step, with the channels of each map."""
        first = torch.zeros(1, dtype=torch.long, device=self.case.device)

        def run(some: list[fx.Node]) -> Values:
            values: Values = {}
            for node in self._needed(some, changed):
                values[node] = self._step(node, values, first)
            return values

        behind = [node for node in self.nodes if node in changed]
        try:
            steps = layers_with_linear_step(self.model, site, behind, run, self.case.device)
        except torch.OutOfMemoryError:
            raise
        except Exception:  # operations may refuse the NaNs by which maps are followed; the whole operations remain
            return {}
        return {node: channels for node, channels in steps.items() if self._first_axis(node)}

    def _first_axis(self, node: fx.Node) -> bool:
        """Whether a layer's input and output hold the batch in the same layout, along their first axis."""
        places = node, node.all_input_nodes[0]
        rows = [self.layout.rows[place][0] for place in places if place in self.layout.rows]
        return len(rows) == 2 and rows[0] == rows[1] and rows[0] is not None and rows[0].axis == 0
