"""The steps of the method that are functions, of which a trial replaces some."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.estimated.predict import first_order_moves, predict
from pruning_oracle.oracle.estimated.site_sample import SiteSample

log = logging.getLogger("oracle")


def site_samples(case: Case, first: Arrays) -> list[SiteSample]:
    """Every site's pairs before any is measured, from what `Sampling.look` found; logs sites whose gates carry no gradient."""
    samples, flat = [], []
    for site in case.sites:
        known = ~first[f"alive/{site.name}"]
        moved = first.get(f"moves/{site.name}")
        if moved is None or not moved.any():
            moved = None
            flat.append(site.name)
        samples.append(SiteSample(predict(moved, first["odds"], known), known))
    if flat:
        log.warning("%s: pairs are drawn plainly at %s, where gates carry no gradient", case.name, ", ".join(flat))
    return samples


@dataclass(frozen=True)
class Steps:
    """The steps of the method; `oracle/trial` replaces some of them."""

    moves: Callable[[Case, Batch, list[int]], Arrays] = first_order_moves
    samples: Callable[[Case, Arrays], list[SiteSample]] = site_samples
    first: Arrays | None = None  # what `Sampling.look` found before, to skip it
    measure: Callable[[list[np.ndarray]], Arrays] | None = None  # measures chosen pairs of all examples in place of the engine


USUAL = Steps()
