"""Gate, gated(): the only way a map is removed; the gradient at open gates comes from here too."""

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
    """The channels that belong to a map (not −1), and those maps."""
    index = torch.tensor(list(owners), device=device)
    channels = (index >= 0).nonzero()[:, 0]
    return channels, index[channels]


class Gate(nn.Module):
    """An identity that can multiply each map by a number per example: 1 keeps the map, 0 removes it.

    `maps` is how many maps the gate holds, or for every channel along `axis` the map it belongs to (−1: none, always kept).
    The rows of its input are examples, or clips of examples folded into the batch axis, example-major.
    """

    def __init__(self, maps: int | Sequence[int], axis: int = 1) -> None:
        super().__init__()
        self.maps = range(maps) if isinstance(maps, int) else tuple(maps)
        self.axis = axis
        self.value: Float[Tensor, "example map"] | None = None

    def forward(self, activation: Tensor) -> Tensor:
        """The activation itself, or each map times its number."""
        if self.value is None:
            return activation
        keep = self.value.new_ones(len(self.value), 1)  # the column that index −1 picks
        channels = torch.cat([self.value, keep], 1)[:, list(self.maps)]
        rows = channels.repeat_interleave(len(activation) // len(channels), 0)
        shape = [1] * activation.ndim
        shape[0], shape[self.axis] = rows.shape
        return activation * rows.view(shape).to(activation.dtype)


@contextmanager
def gated(model: nn.Module, values: Mapping[Site, Float[Tensor, "example map"]]) -> Iterator[None]:
    """Sets the gates of some sites for the passes inside the block; all are open again afterwards, whatever happens."""
    gates = [(model.get_submodule(name), value) for site, value in values.items() for name in site.gates]
    try:
        for gate, value in gates:
            gate.value = value
        yield
    finally:
        for gate, _ in gates:
            gate.value = None  # type: ignore[assignment]  # nn.Module types every attribute as Tensor or Module
