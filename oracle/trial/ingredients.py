"""The ingredients of the estimated oracle: each can be left out, so that what it brings can be measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.estimated.goal import ROUNDS
from pruning_oracle.oracle.estimated.predict import Prediction, predict
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.estimated.site_sample import SiteSample
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import check_loss


@dataclass(frozen=True)
class Ingredients:
    """What is used of the method."""

    slopes: bool = True  # a backward pass predicts every pair
    sizes: bool = True  # pairs are drawn in proportion to how far off their predictions may be
    rounds: int = ROUNDS
    kind: str = "shrunk"  # of the estimates


INGREDIENTS = {  # each added in turn
    "plain subsample": Ingredients(slopes=False, sizes=False, rounds=1, kind="unbiased"),
    "+ control variate": Ingredients(sizes=False, rounds=1, kind="unbiased"),
    "+ drawn by size": Ingredients(rounds=1, kind="unbiased"),
    "+ rounds": Ingredients(kind="unbiased"),
    "+ shrunk": Ingredients(),
}


class Reduced(Sampling):
    """An estimated oracle of these ingredients alone."""

    def __init__(self, used: Ingredients, case: Case, engine: Replay, rows: Sequence[int], size: int) -> None:
        super().__init__(case, engine, rows, size)
        self.used = used

    def _moves(self, batch: Batch, block: list[int]) -> Arrays:
        if self.used.slopes:
            return super()._moves(batch, block)
        with torch.no_grad():
            kept = self.case.losses(batch).cpu()
        check_loss(self.case, kept, block)
        return {"odds": np.full(len(block), np.nan), "kept": kept.numpy()}

    def _samples(self, first: Arrays) -> list[SiteSample]:
        if not self.used.slopes:
            dead = [~first[f"alive/{site.name}"] for site in self.case.sites]
            return [SiteSample(predict(None, first["odds"], known), known) for known in dead]
        samples = super()._samples(first)
        return samples if self.used.sizes else [SiteSample(alike(sample.control), sample.known) for sample in samples]


def alike(of: Prediction) -> Prediction:
    """The same predictions, but of all pairs nothing is known of how far off they may be."""
    return Prediction(of.predicted, (of.size > 0).astype(float))
