"""The repair `bias`: the mean of each removed map is carried into the biases of the layers that read it.

A reader that gets zeros in place of a map lacks what it made of it. Its bias can stand in for a map that is the same
everywhere, exactly; for any other map it stands in for the mean over examples and positions. Where the reader pads with zeros,
or is a transposed convolution, its answer to a constant map differs between positions: the mean of that answer is carried.
"""

import copy
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.network.flops import RECURRENT, input_matrices
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS
from pruning_oracle.bench.repair.passes import batches_for
from pruning_oracle.bench.repair.readers import Feeds, input_biases, read_channels, why_not

Means = Mapping[str, tuple[Tensor, Sequence[int]]]  # of `input_means`


@dataclass(frozen=True)
class Carried:
    """The case whose biases hold the means, and by reader how far its answer to them is from the same at all positions.

    That is the largest difference from the carried mean, in the unit of its output: 0 where constant maps are carried exactly.
    """

    case: Case
    uneven: dict[str, float]


def carried(case: Case, gone: Mapping[str, Collection[int]], rows: Sequence[int]) -> Carried:
    """Carries the means of the maps in `gone` (numbers by site) over training examples into the biases of what reads them.

    The maps are still there in the case and in what is returned, a copy: delete or remove them then. Means are those of what
    the reader gets, behind pooling and whatever else lies between, in the network as it is; where a map arrives flattened, each
    position has a mean of its own. Layers that cannot take a mean (see `uncarried`) stay as they are.
    """
    reading = carrying(case, gone)
    return carry(case, reading, input_means(case, list(reading), rows))


def carrying(case: Case, gone: Mapping[str, Collection[int]], feeds: Feeds | None = None) -> dict[str, list[int]]:
    """The layers whose biases can take the means of maps in `gone`, each with the input channels that carry these maps.

    `feeds` is what `consumers` says of the case, where it is known.
    """
    reading = read_channels(case, gone, feeds)
    return {name: own for name, own in reading.items() if not why_not(name, case.model.get_submodule(name))}


@torch.no_grad()
def carry(case: Case, reading: Mapping[str, Sequence[int]], means: Means) -> Carried:
    """A copy of the case whose biases hold the `means` of the input channels in `reading`, by layer; see `carried`."""
    model, uneven = copy.deepcopy(case.model), {}
    for name in (name for name in reading if name in means):
        mean, positions = means[name]
        only = torch.zeros_like(mean)
        only[reading[name]] = mean[reading[name]]
        uneven[name] = _carry(model.get_submodule(name), only, positions)
    return Carried(dataclasses.replace(case, model=model), uneven)


@torch.no_grad()
def input_means(case: Case, names: Sequence[str], rows: Sequence[int], held: int | None = None) -> Means:
    """For every layer the mean of each input channel over examples and positions, in float64, and the shape of its positions.

    The shape is that of its first call; several calls count as further positions. Activations take at most `held` bytes
    (default: as the device has).
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = dict.fromkeys(names, 0)
    shapes: dict[str, Sequence[int]] = {}

    def add(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs["input"]
        if isinstance(given, Tensor):  # packed sequences are not followed
            axis = 1 if isinstance(module, CONVOLUTIONS) else given.ndim - 1
            lines = given.movedim(axis, -1).flatten(0, -2).double()
            sums[name] = sums[name] + lines.sum(0) if name in sums else lines.sum(0)
            counts[name] += len(lines)
            shapes.setdefault(name, given.shape[2:])

    batches = batches_for(case, rows, held)
    with ExitStack() as stack:
        for name in names:
            hook = case.model.get_submodule(name).register_forward_pre_hook(partial(add, name), with_kwargs=True)
            stack.callback(hook.remove)
        for batch in batches:
            case.model(batch.inputs)
    return {name: (total / counts[name], shapes[name]) for name, total in sums.items()}


def _carry(layer: Any, mean: Float[Tensor, " channel"], positions: Sequence[int]) -> float:
    """Adds to a layer's bias, in place, what the layer makes of a mean; returns how uneven that is over positions."""
    if isinstance(layer, RECURRENT):
        matrices = input_matrices(layer)
        for name, bias in input_biases(layer).items():
            bias.add_((matrices[name.replace("bias", "weight")].double() @ mean).to(bias))
        return 0.0
    exact = copy.deepcopy(layer).double()
    given = mean.view(1, -1, *[1] * len(positions)).expand(1, -1, *positions) if isinstance(layer, CONVOLUTIONS) else mean[None]
    made = (exact(given) - exact(torch.zeros_like(given)))[0].flatten(1 if isinstance(layer, CONVOLUTIONS) else 0)
    lines = made if isinstance(layer, CONVOLUTIONS) else made[:, None]
    answer = lines.mean(1)
    layer.bias += answer.to(layer.bias)
    return float((lines - answer[:, None]).abs().max())
