"""The statistics of the shared pass: what passes a map's gates, reduced over positions to one number per example and map."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistic:
    """A function of the activation at a position, and whether the mean over positions is taken or the largest."""

    of: Callable[[Tensor], Tensor]
    largest: bool = False


def itself(activation: Tensor) -> Tensor:
    """The activation as it is."""
    return activation


def is_zero(activation: Tensor) -> Tensor:
    """1 where the activation is exactly zero."""
    return (activation == 0).to(activation.dtype)


STATISTICS: dict[str, Statistic] = {
    "mean": Statistic(itself),
    "mean_square": Statistic(torch.square),  # with the mean: the exact standard deviation over positions and examples
    "magnitude": Statistic(torch.abs),
    "largest": Statistic(itself, largest=True),
    "zero_share": Statistic(is_zero),
}
GATE_GRAD = "gate_grad"  # dLoss/dgate, which is the sum over positions of (activation − fill) × gradient
PRODUCT = "product_magnitude"  # the sum over positions of |(activation − fill) × gradient|
LABELS = "labels"  # one class per example: a field of all evidence, named where a criterion cannot do without
WEIGHT_PRODUCT = "weight_product"  # the sum over the weights of a map's filters of weight × gradient, per example
WEIGHT_GRAD = "weight_grad"  # the gradient of the mean loss by each weight of a map's filters, [map, weight]
DIFFERENTIATED = frozenset({GATE_GRAD, PRODUCT, WEIGHT_PRODUCT, WEIGHT_GRAD})
OF_ZEROS = frozenset({WEIGHT_PRODUCT, WEIGHT_GRAD})  # they speak of weights that become zeros, whatever the fill is
SHARED_PASS = frozenset(STATISTICS) | DIFFERENTIATED
