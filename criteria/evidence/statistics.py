"""Statistics of what passes a map's gates, reduced over positions as it streams by: one number per example and map."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistic:
    """A function of one position's number, and how positions are put together: their mean, or the largest."""

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
    "mean_square": Statistic(torch.square),  # with the mean it gives an exact standard deviation over everything
    "magnitude": Statistic(torch.abs),
    "largest": Statistic(itself, largest=True),
    "zero_share": Statistic(is_zero),
}
GATE_GRAD = "gate_grad"  # from the gates themselves: dLoss/dgate, the sum over positions of activation × gradient
PRODUCT = "product_magnitude"  # the sum over positions of |activation × gradient|
WEIGHT_PRODUCT = "weight_product"  # the sum over the weights of a map's filters of weight × gradient, per example
WEIGHT_GRAD = "weight_grad"  # the gradient of the mean loss by each of those weights, [map, weight]
DIFFERENTIATED = frozenset({GATE_GRAD, PRODUCT, WEIGHT_PRODUCT, WEIGHT_GRAD})
SHARED_PASS = frozenset(STATISTICS) | DIFFERENTIATED
