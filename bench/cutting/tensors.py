"""Cuts tensors by a plan, and puts cut ones back into their places among zeros."""

import torch
from torch import Tensor

from pruning_oracle.bench.cutting.plan import Plan, Slots, taken
from pruning_oracle.bench.cutting.wiring import Convolution, Wiring
from pruning_oracle.bench.network.nan_probes import NONE


def cut_tensor(wiring: Wiring, plan: Plan, name: str, whole: Tensor) -> Tensor:
    """What a plan leaves of a parameter or buffer of the whole network, or of a tensor that belongs to it."""
    if name in plan.convolutions:
        return _cut_slots(_layer(wiring, name), plan.convolutions[name], whole)
    return taken(whole, plan.tensors.get(name))


def whole_tensor(wiring: Wiring, plan: Plan, name: str, left: Tensor, like: Tensor) -> Tensor:
    """A tensor of the shape of `like` that holds in its places what a plan has left; zero elsewhere."""
    if name in plan.convolutions:
        return _fill_slots(_layer(wiring, name), plan.convolutions[name], left, like)
    if name not in plan.tensors:
        return left
    whole = torch.zeros_like(like, dtype=left.dtype, device=left.device)
    whole[torch.meshgrid(*[places.to(left.device) for places in plan.tensors[name]], indexing="ij")] = left
    return whole


def _layer(wiring: Wiring, name: str) -> Convolution:
    return next(layer for layer in wiring.convolutions.values() if name in {layer.weight, *layer.biases})


def _by_group(layer: Convolution, tensor: Tensor, groups: int) -> Tensor:
    """A view of a weight as `[group, output, input, …]`, or of a bias as `[group, output]`."""
    split = tensor.unflatten(0, (groups, -1))  # a view, also of a tensor that is written to
    return split.transpose(1, 2) if layer.transposed and tensor.ndim > 1 else split


def _places(layer: Convolution, slots: Slots, tensor: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Where in the whole weight `[group, output, input]` (bias `[group, output]`) each slot lies, and which slots are zeros."""
    inputs, outputs = slots.inputs.to(tensor.device), slots.outputs.to(tensor.device)
    group = outputs.max(1, keepdim=True).values // (len(layer.outputs) // layer.groups)
    rows = (outputs - group * (len(layer.outputs) // layer.groups)).clamp(min=0)
    if tensor.ndim == 1:
        return (group, rows), outputs == NONE
    columns = (inputs - group * (len(layer.inputs) // layer.groups)).clamp(min=0)
    empty = (outputs == NONE)[:, :, None] | (inputs == NONE)[:, None]
    return (group[:, :, None], rows[:, :, None], columns[:, None]), empty


def _cut_slots(layer: Convolution, slots: Slots, whole: Tensor) -> Tensor:
    places, empty = _places(layer, slots, whole)
    made = _by_group(layer, whole, layer.groups)[places]
    made = made.masked_fill(empty.view(*empty.shape, *[1] * (made.ndim - empty.ndim)), 0)
    return (made.transpose(1, 2) if layer.transposed and whole.ndim > 1 else made).flatten(0, 1).contiguous()


def _fill_slots(layer: Convolution, slots: Slots, left: Tensor, like: Tensor) -> Tensor:
    whole = torch.zeros_like(like, dtype=left.dtype, device=left.device)
    places, empty = _places(layer, slots, left)
    full = [place.expand(empty.shape)[~empty] for place in places]
    _by_group(layer, whole, layer.groups)[tuple(full)] = _by_group(layer, left, len(slots.outputs))[~empty]
    return whole
