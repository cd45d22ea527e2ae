"""Gather: takes channels by their numbers, where the operations that arranged them cannot arrange fewer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Gather(nn.Module):
    """Takes, in every example, the channels of an index in that order; a channel of −1 is zero.

    The axes 1 to `merged` are read as one axis of channels. If `shape` is given, the taken channels are arranged in these axes.
    """

    index: Tensor

    def __init__(self, index: Sequence[int], merged: int = 1, shape: Sequence[int] = ()) -> None:
        super().__init__()
        self.register_buffer("index", torch.tensor(index), persistent=False)
        self.merged, self.shape = merged, tuple(shape)
        self.padded = -1 in index
        step = [number - index[0] for number in index] == list(range(len(index))) and not self.padded
        self.first = index[0] if step else None

    def forward(self, given: Tensor) -> Tensor:
        """The channels of the index."""
        channels = given.flatten(1, self.merged) if self.merged > 1 else given
        if self.first is not None:
            taken = channels.narrow(1, self.first, len(self.index))
        else:
            index = self.index
            if self.padded:
                channels = torch.cat([channels, torch.zeros_like(channels[:, :1])], 1)
                index = torch.where(index < 0, channels.shape[1] - 1, index)
            taken = channels.index_select(1, index)
        return taken.unflatten(1, self.shape) if len(self.shape) > 1 else taken
