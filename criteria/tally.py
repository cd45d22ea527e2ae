"""A site's statistics of one batch, added up as its gates are passed, so that no activation is stored."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bench.case import Case, Site
from bench.gates import Gate
from criteria.statistics import PRODUCT, STATISTICS

Parts = dict[str, Tensor]  # statistic -> [example, map], of one batch


class Tally:
    """What has passed a site's gates so far: `watch` is the hook of each of them."""

    def __init__(self, case: Case, site: Site, examples: int, needs: frozenset[str]) -> None:
        self.shape, self.device, self.dtype = (examples, site.maps), case.device, next(case.model.parameters()).dtype
        self.means = {name: self.blank(0.0) for name in STATISTICS if name in needs and not STATISTICS[name].largest}
        self.largest = {name: self.blank(-math.inf) for name in STATISTICS if name in needs and STATISTICS[name].largest}
        self.product = self.blank(0.0) if PRODUCT in needs else None
        self.hooks: list[Any] = []
        self.counts = torch.zeros(site.maps, device=self.device, dtype=self.dtype)

    def blank(self, value: float) -> Float[Tensor, "example map"]:
        """That number for every example and map."""
        return torch.full(self.shape, value, device=self.device, dtype=self.dtype)

    def watch(self, gate: Gate, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Adds what passes a gate; its gradient too, once that comes back."""
        activation = self._positions(gate, output.detach())
        channels, maps = _held(gate, activation.device)
        self.counts.index_add_(0, maps, self.counts.new_full((len(maps),), activation.shape[2]))
        for name, total in self.means.items():
            total.index_add_(1, maps, STATISTICS[name].of(activation).sum(2)[:, channels])
        for name, best in self.largest.items():
            found = STATISTICS[name].of(activation).amax(2)[:, channels]
            best.scatter_reduce_(1, maps.expand_as(found), found, "amax")
        if self.product is not None and output.requires_grad:
            self.hooks.append(output.register_hook(lambda grad: self._multiply(gate, output.detach(), grad)))

    def close(self) -> None:
        """Ends the counting of gradients: a later backward pass through the same graph is about something else."""
        for hook in self.hooks:
            hook.remove()

    def _multiply(self, gate: Gate, activation: Tensor, grad: Tensor) -> None:
        assert self.product is not None
        channels, maps = _held(gate, grad.device)
        self.product.index_add_(1, maps, self._positions(gate, activation * grad).abs().sum(2)[:, channels])

    def _positions(self, gate: Gate, value: Tensor) -> Float[Tensor, "example channel position"]:
        """An activation with its clips and positions in one axis."""
        rows = value.movedim(gate.axis, 1)
        rows = rows.reshape(self.shape[0], -1, rows.shape[1], math.prod(rows.shape[2:]))  # example, clip, channel, position
        return rows.transpose(1, 2).flatten(2)

    def parts(self) -> Parts:
        """Every statistic, over all positions that were seen."""
        found: dict[str, Any] = {name: total / self.counts for name, total in self.means.items()}
        return found | self.largest | ({PRODUCT: self.product} if self.product is not None else {})


def _held(gate: Gate, device: torch.device) -> tuple[Tensor, Tensor]:
    """The channels of a gate that belong to a map, and those maps."""
    index = torch.tensor(list(gate.maps), device=device)
    channels = (index >= 0).nonzero()[:, 0]
    return channels, index[channels]
