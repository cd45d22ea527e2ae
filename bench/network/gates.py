"""Gates: the only way to remove a map, and the place where the gradient with respect to a map's gate is taken."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pruning_oracle.bench.case import Site


@functools.lru_cache(maxsize=1024)
def channels_with_maps(
    owners: tuple[int, ...] | range, device: torch.device
) -> tuple[Int[Tensor, " channel"], Int[Tensor, " channel"]]:
    """The channels that belong to a map, and the map of each, as indices; `owners` gives every channel's map (−1: none)."""
    index = torch.tensor(list(owners), device=device)
    channels = (index >= 0).nonzero()[:, 0]
    return channels, index[channels]


class Gate(nn.Module):
    """An identity that can multiply each map by a number per example: 1 keeps the map, 0 removes it.

    `maps` is the number of maps, or for every channel along `axis` the map that it belongs to (−1: none, always kept). The rows
    of the input are examples, or clips folded into the batch axis, with all clips of one example before those of the next.
    `value` holds the numbers; while it is None, the gate is open and changes nothing.
    """

    def __init__(self, maps: int | Sequence[int], axis: int = 1) -> None:
        super().__init__()
        self.maps = range(maps) if isinstance(maps, int) else tuple(maps)
        self.axis = axis
        self.value: Float[Tensor, "example map"] | None = None

    def forward(self, activation: Tensor) -> Tensor:
        """The activation with each map multiplied by its number; unchanged if the gate is open."""
        if self.value is None:
            return activation
        keep = self.value.new_ones(len(self.value), 1)  # index −1 picks this column
        channels = torch.cat([self.value, keep], 1)[:, list(self.maps)]
        rows = channels.repeat_interleave(len(activation) // len(channels), 0)
        shape = [1] * activation.ndim
        shape[0], shape[self.axis] = rows.shape
        return activation * rows.view(shape).to(activation.dtype)


@contextmanager
def gated(model: nn.Module, values: Mapping[Site, Float[Tensor, "example map"]]) -> Iterator[None]:
    """Sets the gates of the sites in `values` for passes inside the block; opens them afterwards, even after an exception."""
    gates = [(model.get_submodule(name), value) for site, value in values.items() for name in site.gates]
    try:
        for gate, value in gates:
            gate.value = value
        yield
    finally:
        for gate, _ in gates:
            gate.value = None  # type: ignore[assignment]  # nn.Module types every attribute as Tensor or Module
