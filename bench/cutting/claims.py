"""Claims on the results of operations: by the labels of their numbers, and by what all their uses agree upon."""

from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.wiring import Claims, shortened
from pruning_oracle.bench.network.coupling import MapLabels
from pruning_oracle.bench.network.nan_probes import NONE


def by_labels(case: Case, learned: MapLabels) -> dict[fx.Node, list[Claims]]:
    """The claims on every tensor of every operation's result, from the labels of its numbers."""
    numbers: dict[int, int] = {}
    first = 0
    for site in case.sites:
        for name, channels in zip(site.convolutions, site.channels, strict=True):
            for label, index in zip(learned.made.get(name, ()), channels, strict=name in learned.made):
                if index != NONE:
                    numbers[learned.root(label)] = first + index
        first += site.maps
    table = torch.tensor([*(numbers.get(learned.root(label), NONE) for label in range(len(learned.parent))), NONE])
    found: dict[fx.Node, list[Claims]] = {}
    for node, value in learned.values.items():
        leaves = tree.tree_leaves(value)
        labels = [*(learned.labels.get(node) or []), *[None] * len(leaves)][: len(leaves)]
        found[node] = [_claim(table, *pair) for pair in zip(labels, leaves, strict=True)]
    return found


def _claim(table: Tensor, labels: Tensor | None, leaf: Any) -> Claims:
    if labels is None or not isinstance(leaf, Tensor) or not labels.numel():
        return []
    claim = table[shortened(labels)]
    return [] if bool((claim == NONE).all()) else [shortened(claim)]


def agreed(uses: list[Claims]) -> Claims:
    """The claims that all uses of a tensor make."""
    if not uses or not all(uses):
        return []
    if all(len(use) == 1 for use in uses):
        whole = uses[0][0]
        for (other,) in uses[1:]:
            whole = torch.where(whole == other, whole, NONE)
        return [] if bool((whole == NONE).all()) else [whole]
    return [claim for claim in uses[0] if all(any(torch.equal(claim, own) for own in use) for use in uses[1:])]


def same(first: Claims, second: Claims) -> bool:
    """Whether two uses of a tensor claim the same of it."""
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def open_to_claims(claims: Claims, leaf: Any) -> bool:
    """Whether a tensor has numbers that no map made, and that NaNs can follow."""
    follows = isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel() > 0
    return follows and all(bool((claim == NONE).any()) for claim in claims)


def map_of_each(claims: Claims, leaf: Any) -> Tensor | None:
    """The map of every number of one tensor."""
    if not isinstance(leaf, Tensor):
        return None
    found = torch.full((1,) * leaf.ndim, NONE)
    for claim in claims:
        found = torch.where(found == NONE, claim, found)
    return found.expand(leaf.shape)
