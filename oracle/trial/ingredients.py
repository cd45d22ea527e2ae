"""The ingredients of the estimated oracle: each can be left out, to measure what it contributes."""

from dataclasses import dataclass

import numpy as np
import torch

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.estimated.goal import ROUNDS
from pruning_oracle.oracle.estimated.predict import Prediction, first_order_moves, predict
from pruning_oracle.oracle.estimated.site_sample import SiteSample
from pruning_oracle.oracle.estimated.steps import Steps, site_samples
from pruning_oracle.oracle.parts import check_loss


@dataclass(frozen=True)
class Ingredients:
    """Which parts of the method are used."""

    slopes: bool = True  # a backward pass predicts every pair
    sizes: bool = True  # pairs are drawn in proportion to how far off their predictions may be
    rounds: int = ROUNDS
    kind: str = "shrunk"  # the field of `Estimates` that is used


INGREDIENTS = {  # each line adds one
    "plain subsample": Ingredients(slopes=False, sizes=False, rounds=1, kind="unbiased"),
    "+ control variate": Ingredients(sizes=False, rounds=1, kind="unbiased"),
    "+ drawn by size": Ingredients(rounds=1, kind="unbiased"),
    "+ rounds": Ingredients(kind="unbiased"),
    "+ shrunk": Ingredients(),
}


def steps_with(used: Ingredients) -> Steps:
    """The steps of an estimated oracle that uses these ingredients only."""

    def without_slopes(case: Case, batch: Batch, block: list[int]) -> Arrays:
        with torch.no_grad():
            kept = case.losses(batch).cpu()
        check_loss(case, kept, block)
        return {"odds": np.full(len(block), np.nan), "kept": kept.numpy()}

    def samples(case: Case, first: Arrays) -> list[SiteSample]:
        if not used.slopes:
            dead = [~first[f"alive/{site.name}"] for site in case.sites]
            return [SiteSample(predict(None, first["odds"], known), known) for known in dead]
        predicted = site_samples(case, first)
        return predicted if used.sizes else [SiteSample(alike(sample.prediction), sample.known) for sample in predicted]

    return Steps(moves=first_order_moves if used.slopes else without_slopes, samples=samples)


def alike(of: Prediction) -> Prediction:
    """A copy of these predictions in which all pairs that can change have the same size."""
    return Prediction(of.predicted, (of.size > 0).astype(float))
