"""Torch-Pruning's importances as they ship, each called through the library's own API with its own defaults.

By default the library scores all layers of a group (the convolution, its batch norm, the layers that read its maps), gives
each channel the mean of these scores, and divides by the mean over the group's channels: a unit of its own.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Case
from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean
from pruning_oracle.criteria.evidence.passes import stream
from pruning_oracle.criteria.peers.dependencies import grouped, importance_per_map, shipped

UNIT = "mean of the group"
LAST = 8  # examples shown to an importance that starts again at every example
Found = dict[str, Float[Tensor, "1 map"]]


def library(name: str) -> Callable[[Any], Tensor | None]:
    """The library's importance of this class name, with its own defaults."""
    from torch_pruning import importance  # noqa: PLC0415 (an optional package)

    return getattr(importance, name)()


def of_weights(case: Case, name: str) -> Found:
    """The scores, by site, of an importance that looks at no example."""
    with grouped(case) as found:
        return importance_per_map(found, library(name))


@shipped
def torch_pruning_magnitude_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `MagnitudeImportance()`, by site."""
    return of_weights(case, "MagnitudeImportance")


@shipped
def torch_pruning_fpgm_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `FPGMImportance()`, by site."""
    return of_weights(case, "FPGMImportance")


@shipped
def torch_pruning_lamp_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `LAMPImportance()`, by site."""
    return of_weights(case, "LAMPImportance")


@shipped
def torch_pruning_bn_scale_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `BNScaleImportance()`, by site."""
    return of_weights(case, "BNScaleImportance")


@shipped
def torch_pruning_random_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `RandomImportance()`, which draws from torch's global generator: seeded here, and restored afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(case.seed)
        return of_weights(case, "RandomImportance")


@functools.partial(shipped, of_zeros=True)
def torch_pruning_taylor_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `TaylorImportance()` after a backward pass of the mean loss over all examples, added up batch by batch."""
    with grouped(case) as found:
        for _, batch in stream(found.case, rows, size, "Torch-Pruning's Taylor"):
            (found.case.losses(batch).sum() / len(rows)).backward()
        return importance_per_map(found, library("TaylorImportance"))


@functools.partial(shipped, of_zeros=True)
def torch_pruning_hessian_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """The scores of `HessianImportance()` after its documented loop: a backward pass and `accumulate_grad` per example.

    It starts again at every example, so only the last few are shown to it: more would give the same, bit for bit.
    """
    with grouped(case) as found:
        importance: Any = library("HessianImportance")
        for _, batch in stream(found.case, rows[-LAST:], 1, "Torch-Pruning's Hessian"):
            found.case.model.zero_grad()
            found.case.losses(batch).sum().backward()
            importance.accumulate_grad(found.case.model)
        return importance_per_map(found, importance)


@criterion(needs={"torch_pruning_magnitude_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, MagnitudeImportance()")
def torch_pruning_magnitude(site: Evidence) -> PerExample:
    r"""Mean of Σw² of the filter, γ² of its batch norm, and Σw² of the weights that read the map.

    The library calls it a norm of degree 2, but takes no root.

    $$\Theta_k = \frac{m_k}{\frac{1}{K}\sum_l m_l}, \quad m = \frac{1}{L}\left( \sum_j w_j^2 + \gamma^2 + \sum_j v_j^2 \right)$$
    """
    return site.torch_pruning_magnitude_importance


@criterion(needs={"torch_pruning_taylor_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, TaylorImportance()")
def torch_pruning_taylor(site: Evidence) -> PerExample:
    r"""Mean of two sums Σ|weight × gradient|: of the filter, and of the weights that read the map.

    The library names batch norm among the layers, but leaves it out: the branch for it asks for group norm.

    $$\Theta_k = \frac{m_k}{\frac{1}{K}\sum_l m_l}, \quad m = \frac{1}{L}\left( \sum_j \left| w_j \frac{\partial
    C}{\partial w_j} \right| + \sum_j \left| v_j \frac{\partial C}{\partial v_j} \right| \right)$$
    """
    return site.torch_pruning_taylor_importance


@criterion(
    needs={"torch_pruning_hessian_importance"},
    reduce=mean,
    unit=UNIT,
    source="Torch-Pruning, HessianImportance()",
    order="it keeps the last example only",
)
def torch_pruning_hessian(site: Evidence) -> PerExample:
    r"""Σ weight² × gradient², batch norm included, with the last example's gradient only.

    `accumulate_grad` is meant to add up all examples, but it starts again at every call: it looks up by name what it stores by
    tensor.

    $$\Theta_k = \frac{m_k}{\frac{1}{K}\sum_l m_l}, \quad m = \frac{1}{L} \sum_{\theta \in \{w, \gamma, v\}} \theta^2
    \left( \frac{\partial C_N}{\partial \theta} \right)^2$$
    """
    return site.torch_pruning_hessian_importance


@criterion(needs={"torch_pruning_fpgm_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, FPGMImportance()")
def torch_pruning_fpgm(site: Evidence) -> PerExample:
    r"""Mean of two sums of distances: of the filter to all others, and of the weights that read the map to all others.

    The distances are between squared weights, so a filter and its negative have distance 0, unlike in He et al. 2019.

    $$\Theta_k = \frac{m_k}{\frac{1}{K}\sum_l m_l}, \quad m_k = \frac{1}{L}\left( \sum_l \lVert w_k^{2} - w_l^{2}
    \rVert_2 + \sum_l \lVert v_k^{2} - v_l^{2} \rVert_2 \right)$$
    """
    return site.torch_pruning_fpgm_importance


@criterion(needs={"torch_pruning_lamp_importance"}, reduce=mean, unit="share", source="Torch-Pruning, LAMPImportance()")
def torch_pruning_lamp(site: Evidence) -> PerExample:
    r"""A channel's squared magnitude, divided by the sum of all that are not smaller; ranks as `torch_pruning_magnitude`.

    $$\Theta_k = \frac{m_k}{\sum_{l:\, m_l \ge m_k} m_l}$$
    """
    return site.torch_pruning_lamp_importance


@criterion(needs={"torch_pruning_bn_scale_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, BNScaleImportance()")
def torch_pruning_bn_scale(site: Evidence) -> PerExample:
    r"""Magnitude of γ, averaged over the batch norms of the group.

    Up to a constant it is `norm_gamma`, if the group holds no batch norms but those directly behind the convolutions.

    $$\Theta_k = \frac{m_k}{\frac{1}{K}\sum_l m_l}, \quad m = \frac{1}{L} \sum_{l} |\gamma_l|$$
    """
    return site.torch_pruning_bn_scale_importance


@criterion(needs={"torch_pruning_random_importance"}, reduce=mean, unit="none", source="Torch-Pruning, RandomImportance()")
def torch_pruning_random(site: Evidence) -> PerExample:
    r"""Uniform numbers; a control, drawn from the case's seed.

    $$\Theta \sim U(0, 1)$$
    """
    return site.torch_pruning_random_importance
