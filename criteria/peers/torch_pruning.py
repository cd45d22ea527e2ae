"""Torch-Pruning's importances as they ship, each called through the library's own API with its own defaults.

By default the library takes all layers of a group (the convolution, its batch norm, the layers that read its maps), gives
each channel the mean of what these say, and divides by the mean over the group's channels: a unit of its own.
"""

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
LAST = 8  # examples for an importance that starts again at every one
Found = dict[str, Float[Tensor, "1 map"]]


def library(name: str) -> Callable[[Any], Tensor | None]:
    """One of the library's importances, with its own defaults."""
    from torch_pruning import importance  # noqa: PLC0415 (an optional package)

    return getattr(importance, name)()


def of_weights(case: Case, name: str) -> Found:
    """An importance that looks at no example."""
    with grouped(case) as found:
        return importance_per_map(found, library(name))


@shipped
def torch_pruning_magnitude_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `MagnitudeImportance()` gives."""
    return of_weights(case, "MagnitudeImportance")


@shipped
def torch_pruning_fpgm_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `FPGMImportance()` gives."""
    return of_weights(case, "FPGMImportance")


@shipped
def torch_pruning_lamp_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `LAMPImportance()` gives."""
    return of_weights(case, "LAMPImportance")


@shipped
def torch_pruning_bn_scale_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `BNScaleImportance()` gives."""
    return of_weights(case, "BNScaleImportance")


@shipped
def torch_pruning_random_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `RandomImportance()` gives, which draws from torch's own generator: seeded here, and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(case.seed)
        return of_weights(case, "RandomImportance")


@shipped
def torch_pruning_taylor_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `TaylorImportance()` gives after a backward pass of the mean loss over all examples, added up batch by batch."""
    with grouped(case) as found:
        for _, batch in stream(found.case, rows, size, "Torch-Pruning's Taylor"):
            (found.case.losses(batch).sum() / len(rows)).backward()
        return importance_per_map(found, library("TaylorImportance"))


@shipped
def torch_pruning_hessian_importance(case: Case, rows: Sequence[int], size: int) -> Found:
    """What `HessianImportance()` gives after its documented loop: a backward pass and `accumulate_grad` per example.

    It starts again at every example, so that only the last few are shown to it: more give the same, bit by bit.
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
    """Σw² of the filter, γ² of its batch norm and Σw² of the weights that read the map, and of these the mean.

    Called a norm of degree 2, but no root is taken.
    """
    return site.torch_pruning_magnitude_importance


@criterion(needs={"torch_pruning_taylor_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, TaylorImportance()")
def torch_pruning_taylor(site: Evidence) -> PerExample:
    """Σ|weight × gradient| of the filter and of the weights that read the map, and of these the mean.

    Batch norm is named among its layers, but left out: its branch asks for group norm.
    """
    return site.torch_pruning_taylor_importance


@criterion(needs={"torch_pruning_hessian_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, HessianImportance()")
def torch_pruning_hessian(site: Evidence) -> PerExample:
    """Σ weight² × gradient², batch norm included, with the last example's gradient only.

    All examples are given to `accumulate_grad`, but it starts again at every call: it asks by name for what it keeps by tensor.
    """
    return site.torch_pruning_hessian_importance


@criterion(needs={"torch_pruning_fpgm_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, FPGMImportance()")
def torch_pruning_fpgm(site: Evidence) -> PerExample:
    """Sum of distances to all other filters, and of the weights that read the map to all others; of these the mean.

    The distances are between squared weights, so that a filter and its opposite are at none: not He et al. 2019's.
    """
    return site.torch_pruning_fpgm_importance


@criterion(needs={"torch_pruning_lamp_importance"}, reduce=mean, unit="share", source="Torch-Pruning, LAMPImportance()")
def torch_pruning_lamp(site: Evidence) -> PerExample:
    """A channel's squared magnitude over the sum of all that are not smaller: it ranks a site as `torch_pruning_magnitude`."""
    return site.torch_pruning_lamp_importance


@criterion(needs={"torch_pruning_bn_scale_importance"}, reduce=mean, unit=UNIT, source="Torch-Pruning, BNScaleImportance()")
def torch_pruning_bn_scale(site: Evidence) -> PerExample:
    """Magnitude of γ, a mean over the batch norms of the group.

    Up to a constant it is `norm_gamma`, where the group holds no batch norm but those right behind the convolutions.
    """
    return site.torch_pruning_bn_scale_importance


@criterion(needs={"torch_pruning_random_importance"}, reduce=mean, unit="none", source="Torch-Pruning, RandomImportance()")
def torch_pruning_random(site: Evidence) -> PerExample:
    """Uniform numbers; a control, drawn from the case's seed."""
    return site.torch_pruning_random_importance
