"""The control variate: what one backward pass says of every removal, and how far off that may be.

Where the loss is the cross-entropy of class scores, it is log(1 + exp(odds)), the odds being the logarithm of how likely all
other classes are against the label's. Taking a map away moves the odds by about −gradient × 1, and the loss bends as that
formula says: on an example that the network is sure of, the loss itself has hardly a gradient, its odds have. Any other loss is
followed along its own gradient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.measure import check_loss

DOUBT = 0.5  # how far off a move may be, of itself
FLOOR, LEAST = 0.5, 0.02  # of a map's mean: added to each move, and to how far off each prediction may be
BARE = 1e-3  # of a site's mean: the same for a map on which nothing depends to first order


@dataclass(frozen=True)
class Prediction:
    """At one site, `[example, map]` each: the predicted change in loss in nats, and how far off it may be, up to a factor."""

    predicted: np.ndarray
    size: np.ndarray


def first_order_moves(case: Case, batch: Batch, block: list[int]) -> Arrays:
    """How removing each map moves the odds (or the loss) of every example to first order, `[example, map]`; the odds, the loss.

    The odds are NaN where the loss is not their cross-entropy; a site whose gates carry no gradient is left out.
    """
    like = next(case.model.parameters())
    values = {site: like.new_ones(len(batch.labels), site.maps, requires_grad=True) for site in case.sites}
    with torch.enable_grad(), gated(case.model, values):
        output = case.model(batch.inputs)
        loss = case.checked(case.loss(output, batch.labels), batch)
        check_loss(case, loss.detach(), block)
        odds = _odds(output, batch.labels, loss)
        moved = torch.where(odds.isnan(), loss, odds)
        slopes: Any = [None] * len(values)
        if moved.requires_grad:
            slopes = torch.autograd.grad(moved.sum(), list(values.values()), allow_unused=True)
    arrays: Arrays = {"odds": odds.detach().double().cpu().numpy(), "kept": loss.detach().cpu().numpy()}
    for site, slope in zip(values, slopes, strict=True):
        if slope is not None:
            arrays[f"moves/{site.name}"] = -slope.double().cpu().numpy()
            _check_finite(case, site, arrays[f"moves/{site.name}"], block)
    return arrays


def _odds(output: Any, labels: Tensor, loss: Tensor) -> Tensor:
    """Log-odds of all other classes against the label's, where the loss is their cross-entropy."""
    if not isinstance(output, Tensor) or output.ndim != 2 or not output.is_floating_point() or output.shape[1] < 2:
        return torch.full_like(loss, torch.nan)
    own = torch.zeros_like(output, dtype=torch.bool).scatter(1, labels[:, None].clamp(0, output.shape[1] - 1), value=True)
    odds = output.masked_fill(own, -torch.inf).logsumexp(1) - output[own]
    same = torch.isclose(torch.nn.functional.softplus(odds.detach()), loss.detach(), rtol=1e-2, atol=1e-4)
    return torch.where(same, odds, torch.nan)


def _check_finite(case: Case, site: Site, found: np.ndarray, block: list[int]) -> None:
    broken = np.argwhere(~np.isfinite(found))
    if len(broken):
        row, column = broken[0]
        raise BadInput(
            f"{case.name}: the gradient at the gate of map {column} of site {site.name!r} is {found[row, column]} on training"
            f" example {block[row]}: measure every pair (--budget 1)"
        )


def predict(moved: np.ndarray | None, odds: np.ndarray, known: np.ndarray) -> Prediction:
    """The prediction at one site from what `moves` found, 0 without it; `known` pairs are known to change nothing."""
    if moved is None:
        return Prediction(np.zeros(known.shape), np.where(known, 0.0, 1.0))
    moved = np.where(known, 0.0, moved)
    by_odds, start = ~np.isnan(odds)[:, None], np.nan_to_num(odds)[:, None]
    predicted = np.where(by_odds, _softplus(start + moved) - _softplus(start), moved)
    alive = np.maximum((~known).sum(0), 1)
    doubt = DOUBT * (np.abs(moved) + FLOOR * np.abs(moved).sum(0) / alive)
    size = np.where(by_odds, (_softplus(start + moved + doubt) - _softplus(start + moved - doubt)) / 2, doubt)
    size = np.where(known, 0.0, size)
    size += LEAST * size.sum(0) / alive + BARE * size.sum() / alive.sum() + np.finfo(float).tiny
    return Prediction(predicted, np.where(known, 0.0, size))


def _softplus(odds: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, odds)
