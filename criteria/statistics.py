"""Statistics of the activation behind a map's gates: each a function of one number, summed over positions as it streams by."""

from collections.abc import Callable

from torch import Tensor

Statistic = Callable[[Tensor], Tensor]


def mean(activation: Tensor) -> Tensor:
    """The activation itself; its mean over positions is kept."""
    return activation


def mean_square(activation: Tensor) -> Tensor:
    """The activation squared; with the mean it gives an exact standard deviation over everything."""
    return activation.square()


def zero_share(activation: Tensor) -> Tensor:
    """1 where the activation is exactly zero."""
    return (activation == 0).to(activation.dtype)


STATISTICS: dict[str, Statistic] = {"mean": mean, "mean_square": mean_square, "zero_share": zero_share}
GATE_GRAD = "gate_grad"  # from the gates themselves: dLoss/dgate, the sum over positions of activation × gradient
KNOWN = frozenset(STATISTICS) | {GATE_GRAD}
