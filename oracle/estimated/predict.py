"""The control variate: a prediction of every removal from one backward pass, and how far off it may be.

A loss that is the cross-entropy of class scores equals log(1 + exp(odds)), where the odds are the logarithm of how likely all
other classes are against the label's. Removing a map moves the odds by about −gradient × 1, and the formula turns that into a
change in loss. This also works on an example that the network is sure of, where the loss itself has almost no gradient but
the odds have one. Any other loss is followed along its own gradient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import are_class_scores
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled, gated
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.parts import check_loss

DOUBT = 0.5  # how far off a move may be, as a share of the move
FLOOR, LEAST = 0.5, 0.02  # shares of a map's mean over examples: added to each move's magnitude, and to each size
BARE = 1e-3  # share of the site's mean that is added to each size: for maps that change nothing to first order


@dataclass(frozen=True)
class Prediction:
    """The predictions at one site, `[example, map]`: the change in loss in nats, and its `size`.

    The size says how far off a prediction may be, up to a common factor; it is 0 for pairs known to change nothing.
    """

    predicted: np.ndarray
    size: np.ndarray


def first_order_moves(case: Case, batch: Batch, block: list[int]) -> Arrays:
    """How removing each map moves the odds (or the loss) of every example to first order, by one backward pass.

    Returns `moves/SITE`, `[example, map]`; `odds`, `[example]`, NaN where the loss is not the cross-entropy of the output and
    its own gradient is followed; and `kept`, `[example]`, the loss with every map kept. A site whose gates carry no gradient
    has no moves. Raises BadInput if a loss or a gradient is not finite; `block` holds the rows of the batch's examples.
    """
    like = next(case.model.parameters())
    values = {site: like.new_ones(batch.examples, site.maps, requires_grad=True) for site in case.sites}
    with torch.enable_grad(), filled(case.model, fills_for(case, batch)), gated(case.model, values):
        output = case.model(batch.inputs)
        loss = case.losses_of(output, batch)
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


def _odds(output: Any, labels: Any, loss: Tensor) -> Tensor:
    """Log-odds of all other classes against the label's, `[example]`; NaN where the loss is not their cross-entropy."""
    if not are_class_scores(output, labels) or not output.is_floating_point():
        return torch.full_like(loss, torch.nan)
    output, own = output.to(loss.dtype), labels.long()[:, None]  # bfloat16 has its loss in float32
    odds = output.scatter(1, own, -torch.inf).logsumexp(1) - output.gather(1, own)[:, 0]
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
    """The predictions at one site, from the moves `[example, map]` and odds `[example]` of `first_order_moves`.

    Pairs marked in `known`, `[example, map]`, are known to change nothing. Without moves (None) every other pair is predicted
    to change by 0, all with the same size.
    """
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
