"""Finds how the operations of a traced network must change for a cut: as they are, with other sizes, or by taking channels.

Every operation that touches a deleted map is run on random values with the deleted ones taken out, and must give what it gives
on all values, with the deleted ones taken out. Where it does not, its whole numbers that are sizes of the whole network become
the new sizes; where this does not help and the operation only rearranges, a Gather takes its place.
"""

from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.cutting.other_numbers import Change, changes
from pruning_oracle.bench.cutting.plan import Kept, Plan, UncuttableError, hit, rectangle, taken, touched
from pruning_oracle.bench.cutting.rearranged import gather_of, source_of_each
from pruning_oracle.bench.cutting.run_node import run_node
from pruning_oracle.bench.cutting.wiring import Wiring, first_names, tensors_of

FAILURES = (RuntimeError, ValueError, IndexError, TypeError, KeyError, AssertionError)


class Operations:
    """Completes a plan for the operations of a traced network."""

    def __init__(self, wiring: Wiring, plan: Plan) -> None:
        self.wiring, self.plan, self.gone = wiring, plan, plan.gone
        self.names, self.tensors = first_names(wiring.model), tensors_of(wiring.model)
        self.generator = torch.Generator().manual_seed(0)
        self.kept: dict[fx.Node, list[Kept | None]] = {}  # of the tensors of every operation's result; None: no smaller tensor
        self.scalars: dict[fx.Node, Any] = {}  # results without tensors, in the cut network
        planned = {call for layer in wiring.convolutions.values() for call in layer.calls}
        self.known = {node for node in wiring.reading if node in planned or node.op == "call_module"}  # layers, planned already
        self.broken: set[fx.Node] = set()  # operations that rearrange maps and cannot do it any more

    def complete(self) -> None:
        """Finds the change of every operation that touches a deleted map; raises UncuttableError if there is none."""
        for node, claims in self.wiring.claims.items():
            leaves = tree.tree_leaves(self.wiring.values[node])
            self.kept[node] = [
                rectangle(own, leaf.shape, self.gone) if isinstance(leaf, Tensor) else None
                for own, leaf in zip(claims, leaves, strict=True)
            ]
            if node.op == "get_attr":
                self._constant(node)
            elif node in self.known:
                if self.broken & set(node.all_input_nodes):
                    self._fail(node)
            elif node.op != "placeholder":
                self._operation(node)

    def _constant(self, node: fx.Node) -> None:
        name = self.names.get(str(node.target))
        if name and name not in self.plan.convolutions:
            whole = tuple(torch.arange(size) for size in self.tensors[name].shape)
            self.kept[node] = [self.plan.tensors.get(name, whole)]

    def _touched(self, node: fx.Node) -> bool:
        return any(touched(own, self.gone) for own in self.wiring.claims[node])

    def _operation(self, node: fx.Node) -> None:
        sources = node.all_input_nodes
        leaves = tree.tree_leaves(self.wiring.values[node])
        if not any(isinstance(leaf, Tensor) for leaf in leaves):
            if not self.broken & set(sources):
                self.scalars[node] = self._run(node, self._cut({source: self._random(source) for source in sources}))
            return
        if not any(self._touched(other) for other in (node, *sources)):
            return
        if not self.broken & set(sources) and None not in self._tensors_kept(node):
            for change in changes(self.wiring, node, self.kept, self.scalars):
                if self._right(node, change):
                    self._take(node, change)
                    return
        if not self._gather(node):
            self.broken.add(node)
            if not self._rearranges(node):
                self._fail(node)

    def _fail(self, node: fx.Node) -> None:
        claims = [own for other in (node, *node.all_input_nodes) for own in self.wiring.claims[other]]
        maps = [number for own in claims for number in hit(own, self.gone)]
        raise UncuttableError(maps, f"{_describe(self.wiring.model, node)} cannot do the same with fewer maps")

    def _tensors_kept(self, node: fx.Node) -> list[Kept | None]:
        leaves = tree.tree_leaves(self.wiring.values[node])
        return [kept for kept, leaf in zip(self.kept[node], leaves, strict=True) if isinstance(leaf, Tensor)]

    def _random(self, node: fx.Node) -> Any:
        """Values like those of an operation's result in the whole network: random, 0 where deleted; whole numbers stay."""
        leaves, spec = tree.tree_flatten(self.wiring.values[node])
        if node.op == "get_attr" and str(node.target) in self.names:
            leaves = [self.tensors[self.names[str(node.target)]].detach()]
        values = []
        for leaf, claims in zip(leaves, self.wiring.claims[node], strict=True):
            if isinstance(leaf, Tensor) and leaf.is_floating_point():
                drawn = leaf if node.op == "get_attr" else torch.rand(leaf.shape, generator=self.generator) + 0.5
                for claim in claims:
                    drawn = drawn.masked_fill(self.gone[claim], 0)
                values.append(drawn)
            else:
                values.append(leaf)
        return tree.tree_unflatten(values, spec)

    def _cut(self, values: dict[fx.Node, Any]) -> dict[fx.Node, Any]:
        """The values in the cut network, from those in the whole one."""
        return {node: self.scalars.get(node, self._less(node, value)) for node, value in values.items()}

    def _less(self, node: fx.Node, value: Any) -> Any:
        leaves, spec = tree.tree_flatten(value)
        pairs = zip(leaves, self.kept[node], strict=True)
        return tree.tree_unflatten([taken(leaf, kept) if isinstance(leaf, Tensor) else leaf for leaf, kept in pairs], spec)

    def _run(self, node: fx.Node, values: dict[fx.Node, Any], change: Change = (None, {})) -> Any:
        """An operation's result in the cut network."""
        if node.op != "call_module":
            return run_node(self.wiring.model, node, values, arguments=change[0])
        module = self.wiring.model.get_submodule(str(node.target))
        known = {name: self.plan.tensors.get(self.names[f"{node.target}.{name}"]) for name in tensors_of(module)}
        cut = {name: taken(tensors_of(module)[name], kept) for name, kept in known.items() if kept is not None}
        with _Changed(module, self._attributes(str(node.target)) | change[1]):
            return run_node(self.wiring.model, node, values, cut, change[0])

    def _attributes(self, name: str) -> dict[str, Any]:
        return {attribute: value for (module, attribute), value in self.plan.attributes.items() if module == name}

    def _right(self, node: fx.Node, change: Change) -> bool:
        """Whether an operation, changed so, gives in the cut network what is left of its result in the whole one."""
        values = {source: self._random(source) for source in node.all_input_nodes}
        expected = self._less(node, run_node(self.wiring.model, node, values))
        try:
            got = self._run(node, self._cut(values), change)
        except FAILURES:
            return False
        pairs = [tree.tree_leaves(expected), tree.tree_leaves(got)]
        if len(pairs[0]) != len(pairs[1]):
            return False
        return all(
            not isinstance(a, Tensor)
            or (
                isinstance(b, Tensor)
                and a.shape == b.shape
                and torch.allclose(a.double(), b.double(), 1e-4, 1e-5, equal_nan=True)
            )
            for a, b in zip(*pairs, strict=True)
        )

    def _take(self, node: fx.Node, change: Change) -> None:
        arguments, attributes = change
        if arguments is not None:
            self.plan.arguments[node.name] = arguments
        self.plan.attributes.update({(str(node.target), name): value for name, value in attributes.items()})

    def _rearranges(self, node: fx.Node) -> bool:
        """Whether an operation only rearranges one tensor, so that what follows may take from that tensor instead."""
        return source_of_each(self.wiring, node, self._origin([node])[-1]) is not None

    def _origin(self, path: list[fx.Node]) -> list[fx.Node]:
        """The operations from the last of `path` back to the nearest that works on fewer maps, through single operands."""
        while True:
            holders = [
                source
                for source in path[-1].all_input_nodes
                if any(isinstance(leaf, Tensor) for leaf in tree.tree_leaves(self.wiring.values[source]))
            ]
            holders = [source for source in holders if self._touched(source)] or holders
            if len(holders) != 1:
                return path
            path.append(holders[0])
            if holders[0] not in self.broken and isinstance(self.wiring.values[holders[0]], Tensor):
                return path

    def _gather(self, node: fx.Node) -> bool:
        """Plans a Gather in place of an operation; returns whether one can do its work."""
        origin = self._origin([node])[-1]
        after = self.kept[node][0] if isinstance(self.wiring.values[node], Tensor) else None
        before = self.kept[origin][0]
        if origin is node or after is None or before is None:
            return False
        places = source_of_each(self.wiring, node, origin)
        if places is None or any(
            len(kept) != size for kept, size in ((after[0], places.shape[0]), (before[0], places.shape[0]))
        ):
            return False
        made = gather_of(places[0], after[1:], before[1:], self.wiring.values[origin].shape[1:])
        if made is None:
            return False
        self.plan.gathers[node.name] = origin.name, made
        return True


class _Changed:
    """Sets attributes of a module inside a block."""

    def __init__(self, module: Any, attributes: dict[str, Any]) -> None:
        self.module, self.attributes = module, attributes

    def __enter__(self) -> None:
        self.before = {name: getattr(self.module, name) for name in self.attributes}
        for name, value in self.attributes.items():
            setattr(self.module, name, value)

    def __exit__(self, *error: object) -> None:
        for name, value in self.before.items():
            setattr(self.module, name, value)


def _describe(model: Any, node: fx.Node) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(model.get_submodule(str(node.target))).__name__})"
    return f"{getattr(node.target, '__name__', node.target)} (operation {node})"
