"""The ingredients of the estimated oracle: each can be left out, so that what it brings can be measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.case import Batch, Case
from bench.runs import Arrays
from oracle.control import Control, control
from oracle.goal import ROUNDS
from oracle.measure import check_loss
from oracle.replay import Replay
from oracle.sample import Sample
from oracle.sampled import Sampling


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

    def _samples(self, first: Arrays) -> list[Sample]:
        if not self.used.slopes:
            dead = [~first[f"alive/{site.name}"] for site in self.case.sites]
            return [Sample(control(None, first["odds"], known), known) for known in dead]
        samples = super()._samples(first)
        return samples if self.used.sizes else [Sample(alike(sample.control), sample.known) for sample in samples]


def alike(of: Control) -> Control:
    """The same predictions, but of all pairs nothing is known of how far off they may be."""
    return Control(of.predicted, (of.size > 0).astype(float))
