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
    `value` holds the numbers; while it is None, the gate is open and changes nothing. `fill` is what stands in the place of a
    removed map: a number per channel, or the values of other examples, in rows like those of the input; None for zeros. Where
    rows of `value` are not the batch's examples in order, `examples` says whose row each is.
    """

    fill: Tensor | None = None
    examples: Int[Tensor, " pair"] | None = None

    def __init__(self, maps: int | Sequence[int], axis: int = 1) -> None:
        super().__init__()
        self.maps = range(maps) if isinstance(maps, int) else tuple(maps)
        self.axis = axis
        self.value: Float[Tensor, "example map"] | None = None

    def forward(self, activation: Tensor) -> Tensor:
        """The activation with each map multiplied by its number, plus the rest of its fill; unchanged if the gate is open."""
        if self.value is None:
            return activation
        keep = self.value.new_ones(len(self.value), 1)  # index −1 picks this column
        channels = torch.cat([self.value, keep], 1)[:, list(self.maps)]
        rows = channels.repeat_interleave(len(activation) // len(channels), 0)
        shape = [1] * activation.ndim
        shape[0], shape[self.axis] = rows.shape
        share = rows.view(shape).to(activation.dtype)
        kept = activation * share
        return kept if self.fill is None else kept + (1 - share) * self.standing_in(activation)

    def standing_in(self, activation: Tensor) -> Tensor:
        """The fill in the type of an activation, and in a shape that fits it; zeros if there is none."""
        if self.fill is None:
            return activation.new_zeros(())
        fill = self.fill.to(activation.dtype)
        if fill.ndim == 1:
            shape = [1] * activation.ndim
            shape[self.axis] = len(fill)
            return fill.view(shape)
        if self.examples is None:
            return fill
        clips = len(activation) // len(self.examples)
        return fill.unflatten(0, (-1, clips))[self.examples].flatten(0, 1)


@contextmanager
def gated(
    model: nn.Module, values: Mapping[Site, Float[Tensor, "example map"]], examples: Int[Tensor, " pair"] | None = None
) -> Iterator[None]:
    """Sets the gates of the sites in `values` for passes inside the block; opens them afterwards, even after an exception.

    Rows are the examples of a batch, in order, unless `examples` says whose row each is.
    """
    gates = [(model.get_submodule(name), value) for site, value in values.items() for name in site.gates]
    try:
        for gate, value in gates:
            gate.value, gate.examples = value, examples  # type: ignore[assignment]  # nn.Module types attributes as Tensor or Module
        yield
    finally:
        for gate, _ in gates:
            gate.value = gate.examples = None  # type: ignore[assignment]  # the same


Fills = dict[str, Tensor]  # what stands in for removed maps, by gate: see `Gate.fill`


@contextmanager
def filled(model: nn.Module, fills: Fills) -> Iterator[None]:
    """Lets gates put `fills` in the place of removed maps inside the block, and zeros again afterwards."""
    gates = [(model.get_submodule(name), fill) for name, fill in fills.items()]
    try:
        for gate, fill in gates:
            gate.fill = fill
        yield
    finally:
        for gate, _ in gates:
            gate.fill = None  # type: ignore[assignment]  # nn.Module types attributes as Tensor or Module
