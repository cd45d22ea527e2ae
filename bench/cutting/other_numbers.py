"""The whole numbers in an operation that can be sizes of the whole network, and the sizes to put in their place."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.cutting.plan import Kept
from pruning_oracle.bench.cutting.wiring import Wiring

MOST = 3  # numbers of one operation that are changed together

Change = tuple[Any, dict[str, Any]]  # positional and named arguments (None: as they are), and attributes of the module


def changes(
    wiring: Wiring, node: fx.Node, kept: Mapping[fx.Node, list[Kept | None]], scalars: Mapping[fx.Node, Any]
) -> Iterator[Change]:
    """Yields the changes of an operation to try, fewest first: none, then new sizes in place of those of the whole network.

    `kept` is what is left of every tensor. A number that the network computes (in `scalars`, as the cut network does) may also
    become what it was in the whole one.
    """
    yield None, {}
    sizes = _sizes(wiring, node, kept)
    slots: list[tuple[Any, list[Any]]] = []  # the place of an argument, or an attribute and the place in it; what to put there
    places = itertools.count()

    def look(leaf: Any) -> Any:
        value = wiring.values.get(leaf) if isinstance(leaf, fx.Node) else leaf
        new = _new_sizes(sizes, value)
        if isinstance(value, (int, float)) and isinstance(leaf, fx.Node) and scalars.get(leaf, value) != value:
            new.append(value)
        slots.append((next(places), new))
        return leaf

    fx.node.map_aggregate((node.args, node.kwargs), look)
    for name, held in vars(wiring.model.get_submodule(str(node.target))).items() if node.op == "call_module" else ():
        parts = held if isinstance(held, tuple) else (held,)
        slots += [((name, place), _new_sizes(sizes, part)) for place, part in enumerate(parts)]
    slots = [slot for slot in slots if slot[1]]
    for count in range(1, min(MOST, len(slots)) + 1):
        for chosen in itertools.combinations(slots, count):
            for new in itertools.product(*[values for _, values in chosen]):
                yield _changed(wiring, node, {place: value for (place, _), value in zip(chosen, new, strict=True)})


def _sizes(wiring: Wiring, node: fx.Node, kept: Mapping[fx.Node, list[Kept | None]]) -> dict[int, set[int]]:
    """For each size of an operand or result in the whole network that changes, the sizes that come of it."""
    found: dict[int, set[int]] = {}
    for other in (node, *node.all_input_nodes):
        for leaf, left in zip(tree.tree_leaves(wiring.values[other]), kept[other], strict=True):
            if left is not None and isinstance(leaf, Tensor):
                for before, places in zip(leaf.shape, left, strict=True):
                    if len(places) != before:
                        found.setdefault(before, set()).add(len(places))
    return found


def _new_sizes(sizes: Mapping[int, set[int]], value: Any) -> list[Any]:
    return sorted(sizes.get(value, ())) if type(value) is int else []


def _changed(wiring: Wiring, node: fx.Node, new: Mapping[Any, Any]) -> Change:
    places = itertools.count()
    arguments = fx.node.map_aggregate((node.args, node.kwargs), lambda leaf: new.get(next(places), leaf))
    attributes: dict[str, Any] = {}
    for name, place in (key for key in new if isinstance(key, tuple)):
        old = attributes.get(name, vars(wiring.model.get_submodule(str(node.target)))[name])
        number = new[name, place]
        attributes[name] = (*old[:place], number, *old[place + 1 :]) if isinstance(old, tuple) else number
    return arguments if any(isinstance(key, int) for key in new) else None, attributes
