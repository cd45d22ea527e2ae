"""Finds out whether operations only rearrange the numbers of a tensor, and where each number goes."""

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.cutting.gather import Gather
from pruning_oracle.bench.cutting.plan import Kept, taken
from pruning_oracle.bench.cutting.run_node import run_node
from pruning_oracle.bench.cutting.wiring import Wiring


def source_of_each(wiring: Wiring, node: fx.Node, origin: fx.Node) -> Tensor | None:
    """For each number of a result, the place within its example of the number of `origin` that it is; −1 where it is zero.

    `[example, …]` in the shape of the result. None if the operations from `origin` to `node` do anything else.
    """
    if (node, origin) not in wiring.places:
        wiring.places[node, origin] = _source_of_each(wiring, node, origin)
    return wiring.places[node, origin]


def _source_of_each(wiring: Wiring, node: fx.Node, origin: fx.Node) -> Tensor | None:
    value = wiring.values[origin]
    if not isinstance(value, Tensor) or origin is node:
        return None
    found = [_places(wiring, node, origin, torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    if None in found or not all(torch.equal(a, b) for a, b in zip(*found, strict=True)):
        return None
    if not isinstance(wiring.values[node], Tensor):
        return torch.zeros(0)
    (places,), size = found[0], value[0].numel()  # type: ignore[misc]  # neither is None
    rows = torch.arange(len(value)).view(-1, *[1] * (places.ndim - 1))
    if len(places) != len(value) or bool(((places >= 0) & (places // size != rows)).any()):
        return None
    within = torch.where(places < 0, -1, places - rows * size)
    return within if bool((within == within[:1]).all()) else None


def _places(wiring: Wiring, node: fx.Node, origin: fx.Node, generator: torch.Generator) -> list[Tensor] | None:
    """For each tensor of a result, the place of each of its numbers in `origin`, found by numbering that in random order."""
    value = wiring.values[origin]
    order = torch.randperm(value.numel(), generator=generator)
    place = torch.cat([torch.tensor([-1]), order.argsort()])  # 0 is what padding puts in
    try:
        result = _run_from(wiring, node, origin, (order + 1.0).double().view(value.shape))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None
    leaves = [leaf for leaf in tree.tree_leaves(result) if isinstance(leaf, Tensor)]
    if any(bool(((leaf != leaf.round()) | (leaf < 0) | (leaf > value.numel())).any()) for leaf in leaves):
        return None
    return [place[leaf.long()] for leaf in leaves]


def gather_of(places: Tensor, after: Kept, before: Kept, shape: torch.Size) -> Gather | None:
    """A Gather that gives what is left of an example's result; None if that takes a number which is not left.

    `places` holds, for each number of the whole result, its place in the whole operand, whose shape is `shape`; −1 is a zero.
    `after` and `before` are what is left of the result and of the operand.
    """
    number = torch.full(shape, -1)
    number[torch.meshgrid(*before, indexing="ij")] = torch.arange(torch.Size([len(kept) for kept in before]).numel()).view(
        [len(kept) for kept in before]
    )
    wanted = taken(places, after)
    found = torch.where(wanted < 0, -1, number.flatten()[wanted.clamp(min=0)])
    if bool(((found < 0) & (wanted >= 0)).any()):
        return None
    left = [len(kept) for kept in before]
    for tail in range(min(len(left), found.ndim) - 1, -1, -1):
        if tail and left[-tail:] != list(found.shape[-tail:]):
            continue
        width = torch.Size(left[len(left) - tail :]).numel()
        rows = found.reshape(-1, width)
        index = rows[:, 0].div(width, rounding_mode="floor").where(rows[:, 0] >= 0, -1)
        whole = torch.where(index[:, None] < 0, -1, index[:, None] * width + torch.arange(width))
        if torch.equal(whole, rows):
            return Gather(index.tolist(), len(left) - tail, found.shape[: found.ndim - tail])
    return None


def _run_from(wiring: Wiring, node: fx.Node, origin: fx.Node, value: Tensor) -> object:
    """The result of an operation if `origin` gave that value."""
    path, values = [node], {origin: value}
    for other in path:
        for source in other.all_input_nodes:
            if source not in path and source is not origin:
                if _depends(source, origin):
                    path.append(source)
                else:
                    values[source] = tree.tree_map_only(Tensor, _unknown, wiring.values[source])
    for other in sorted(path):
        values[other] = run_node(wiring.model, other, values)
    return values[node]


def _unknown(value: Tensor) -> Tensor:
    """A value of that shape that leaves its mark on whatever it enters."""
    return torch.full_like(value, torch.nan) if value.is_floating_point() else value


def _depends(node: fx.Node, origin: fx.Node) -> bool:
    waiting, seen = [node], {node}
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source is origin:
                return True
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return False
