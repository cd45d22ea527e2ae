"""distiller's rankings, re-derived from a description: as the project computes them, not corrected."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean

PROJECT = "IntelLabs/distiller, from a description of it"


@criterion(needs={"mean"}, reduce=mean, unit="activation", source=f"{PROJECT}: mean activation")
def distiller_activation(site: Evidence) -> PerExample:
    r"""Minus the mean activation, since the project prunes the most active maps first; the reverse of `activation_mean`.

    $$\Theta = -\frac{1}{NP}\sum_{n,p} a_{np}$$
    """
    return -site.mean


@criterion(needs={"weight_grad"}, reduce=mean, unit="nats", source=f"{PROJECT}: gradient")
def distiller_gradient(site: Evidence) -> PerExample:
    r"""Σ weight × gradient over the filters that make a map, with its sign, biases left out.

    Removing the filters is predicted to change the loss by minus this. The project prunes the most negative maps first, whose
    removal it predicts to be the most harmful. The gradient is that of the mean loss over all examples.

    $$\Theta = \sum_j w_j \frac{\partial C}{\partial w_j}$$
    """
    return (site.weights * site.weight_grad).sum(1)[None]
