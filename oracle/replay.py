"""The fast exact engine: what a removed map does not touch is computed once per batch, the rest for many removals at once.

The network is a graph of operations. One ordinary pass keeps every value. To remove maps, only the operations behind the
site's gates run again, on `fold` (example, map) pairs side by side; whatever else they read is taken from the kept values,
each pair its example's. Two things make that cheaper still. A map that is zero all over an example costs nothing to remove
there. And the layer that reads the site's maps can take the linear step (`oracle/linear.py`); whether that pays is measured,
site by site, on the first pairs. A network whose values cannot be kept runs whole, on as many pairs side by side.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, fx
from torch.utils import _pytree as tree

from bench.case import Batch, Case, Site
from bench.gates import Gate, gated
from oracle.linear import Channels, readers, without
from oracle.rows import Layout, Unreplayable, Values, learn

FOLDED = 256 * 2**20  # bytes that the largest value of the pairs side by side may take
TRIAL = 128  # pairs that a site's two ways are timed on


@dataclass
class Plan:
    """How one site's removals are replayed."""

    nodes: list[fx.Node]  # the operations behind its gates
    readers: dict[fx.Node, Channels]  # layers among them that can take the linear step
    linear: bool = False  # whether they do
    needed: dict[bool, list[fx.Node]] = field(default_factory=dict)  # the operations that run, without and with that step
    freed: dict[bool, dict[fx.Node, list[fx.Node]]] = field(default_factory=dict)  # the values that each is the last to read


class Replay:
    """The engine for one case: call it with a site and a batch."""

    def __init__(self, case: Case, fold: int = 512) -> None:
        self.most = self.fold = fold
        self.why = "" if isinstance(case.model, fx.GraphModule) else "it is not a traced network"  # why it runs whole, if so
        self.model = case.model
        self.interpreter = fx.Interpreter(self.model) if not self.why else None
        self.gates = {node.target: node for node in self._nodes() if isinstance(self._module(node), Gate)}
        self.plans: dict[Site, Plan] = {}
        self.layout: Layout | None = None
        self.batch: Batch | None = None
        self.values: Values = {}

    @torch.no_grad()
    def __call__(self, case: Case, site: Site, batch: Batch) -> Float[Tensor, "example map"]:
        """Loss with the map removed minus loss with every map kept, in nats: `literal` up to rounding."""
        if batch is not self.batch:
            self._keep(batch)
        kept = case.loss(self.model(batch.inputs), batch.labels)
        change = kept.new_zeros(len(kept), site.maps)
        maps, examples = self._alive(site, len(kept)).T.nonzero(as_tuple=True)  # all pairs of a map follow one another
        if not self.why and site not in self.plans:
            self.plans[site] = self._plan(site)
            trial = min(TRIAL, self.fold)
            self._choose(site, examples[:trial], maps[:trial])
        for e, k in zip(examples.split(self.fold), maps.split(self.fold), strict=True) if len(maps) else ():
            change[e, k] = case.loss(self._removed(site, batch, e, k), batch.labels[e]) - kept[e]
        return change

    def _nodes(self) -> list[fx.Node]:
        return list(self.model.graph.nodes) if isinstance(self.model, fx.GraphModule) else []

    def _module(self, node: fx.Node) -> Any:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _keep(self, batch: Batch) -> None:
        """One ordinary pass that keeps every value; the first one also learns how values hold the batch."""
        self.batch, self.values = batch, {}
        if self.why:
            return
        try:
            self.layout = self.layout or learn(self._run, batch.inputs)
            self.values = self._run(batch.inputs)
            leaves = [leaf for leaf in tree.tree_leaves(list(self.values.values())) if isinstance(leaf, Tensor)]
            largest = max(leaf.nbytes for leaf in leaves) // len(batch.labels)
            self.fold = max(1, min(self.most, FOLDED // max(1, largest)))
        except Unreplayable as reason:
            self.why = str(reason)

    def _run(self, inputs: Tensor) -> Values:
        """Every operation's value on these inputs."""
        values: Values = {}
        versions: list[tuple[Tensor, int]] = []
        for node in self._nodes():
            if node.op != "output":
                values[node] = inputs if node.op == "placeholder" else self._step(node, values)
                versions += [(leaf, leaf._version) for leaf in tree.tree_leaves(values[node]) if isinstance(leaf, Tensor)]
        if any(leaf._version != version for leaf, version in versions):
            raise Unreplayable("an operation overwrites a value in a way that cannot be rewritten")
        return values

    def _step(self, node: fx.Node, values: Values, examples: Int[Tensor, " pair"] | None = None) -> Any:
        """One operation, on new values where there are some, else on kept ones, each pair its example's."""

        def get(source: fx.Node) -> Any:
            if source in values or examples is None or self.layout is None:
                return values[source]
            return self.layout.expand(source, self.values[source], examples)

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), get)
        return args[0] if node.op == "output" else getattr(self.interpreter, node.op)(node.target, args, kwargs)

    def _alive(self, site: Site, examples: int) -> Bool[Tensor, "example map"]:
        """Which maps are not zero all over an example: removing the others changes nothing."""
        device = next(self.model.parameters()).device
        alive = torch.full((examples, site.maps), bool(self.why), device=device)
        for name in site.gates if not self.why else ():
            gate = self.model.get_submodule(name)
            assert isinstance(gate, Gate)
            channels = self.values[self.gates[name]].movedim(gate.axis, 1).ne(0).flatten(2).any(2)
            channels = channels.unflatten(0, (examples, -1)).any(1)
            for channel, index in enumerate(gate.maps):
                if index >= 0:
                    alive[:, index] |= channels[:, channel]
        return alive

    def _removed(self, site: Site, batch: Batch, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """The network's output for every (example, map) pair with that map removed."""
        value = torch.ones(len(maps), site.maps, device=maps.device, dtype=next(self.model.parameters()).dtype)
        value[torch.arange(len(maps)), maps] = 0
        with gated(self.model, {site: value}):
            if self.why:
                return self.model(batch.inputs[examples])
            return self._replay(self.plans[site], examples, maps)

    def _replay(self, plan: Plan, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> Any:
        """Runs the operations behind the gates again; a value is dropped once nothing reads it any more."""
        assert self.layout is not None
        values: Values = {}
        for node in plan.needed[plan.linear]:
            if plan.linear and node in plan.readers:
                rows, source = self.layout.rows[node][0], node.all_input_nodes[0]
                assert rows is not None
                kept = self.values[source], self.values[node]
                values[node] = without(self._module(node), plan.readers[node], *kept, rows, examples, maps)
            else:
                values[node] = self._step(node, values, examples)
            for done in plan.freed[plan.linear].get(node, ()):
                del values[done]
        return values[plan.nodes[-1]]

    def _plan(self, site: Site) -> Plan:
        """Which operations depend on a site's gates, or count the examples; and which layers can take the linear step."""
        assert self.layout is not None
        changed = {self.gates[name] for name in site.gates} | self.layout.counts
        for node in self._nodes():
            changed |= {node} if changed & set(node.all_input_nodes) else set()
        nodes = [node for node in self._nodes() if node in changed]
        first = torch.zeros(1, dtype=torch.long, device=next(self.model.parameters()).device)

        def run(some: list[fx.Node]) -> Values:
            values: Values = {}
            for node in some:
                values[node] = self._step(node, values, first)
            return values

        plan = Plan(nodes, {})
        if isinstance(self.model, fx.GraphModule):
            found = readers(self.model, site, nodes, run)
            plan.readers = {node: channels for node, channels in found.items() if self._first_axis(node)}
        for linear in (False, True):
            plan.needed[linear], plan.freed[linear] = _schedule(nodes, set(plan.readers) if linear else set())
        return plan

    def _first_axis(self, node: fx.Node) -> bool:
        """Whether a layer's input and output hold the batch alike, along their first axis."""
        assert self.layout is not None
        rows = [self.layout.rows[place][0] for place in (node, node.all_input_nodes[0])]
        return rows[0] == rows[1] and rows[0] is not None and rows[0].axis == 0

    def _choose(self, site: Site, examples: Int[Tensor, " pair"], maps: Int[Tensor, " pair"]) -> None:
        """Times a site's two ways on a few pairs, each after a run to warm up, and takes the faster."""
        plan, batch = self.plans[site], self.batch
        if not plan.readers or not len(maps) or batch is None:
            return
        seconds = {}
        for linear in (False, True, False, True):
            plan.linear = linear
            start = time.perf_counter()
            self._removed(site, batch, examples, maps)
            if maps.is_cuda:
                torch.cuda.synchronize()
            seconds[linear] = time.perf_counter() - start
        plan.linear = seconds[True] < seconds[False]


def _schedule(nodes: list[fx.Node], stops: set[fx.Node]) -> tuple[list[fx.Node], dict[fx.Node, list[fx.Node]]]:
    """The operations that must run when `stops` need nothing of those before them, and after which one each value is free."""
    wanted = {nodes[-1]}
    for node in reversed(nodes):
        if node in wanted and node not in stops:
            wanted |= set(node.all_input_nodes)
    needed = [node for node in nodes if node in wanted]
    last = {source: node for node in needed if node not in stops for source in node.all_input_nodes if source in wanted}
    freed: dict[fx.Node, list[fx.Node]] = {}
    for source in needed:
        if source in last:
            freed.setdefault(last[source], []).append(source)
    return needed, freed
