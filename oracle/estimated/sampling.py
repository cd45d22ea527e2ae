"""The estimated oracle: one backward pass predicts every pair, and the pairs that decide the ranking are measured, in rounds.

1. `predict.py` predicts the change in loss of every (example, map) pair from one backward pass over all examples, and how far
   off the prediction may be.
2. `draw.py` draws pairs to measure without replacement, in proportion to how far off their predictions may be: in the first
   round equally many of every map, then more of the maps that seem to lie close to others of their site.
3. The replay engine measures these pairs exactly.
4. `estimate.py` turns them into an unbiased estimate of oracle_loss per map with a standard error and a 95 % interval, and, for
   ranks, into a better prediction of every pair that was not measured.

Pairs whose map is zero all over the example are known to change nothing, and count as measured. Rounds end at a share of the
pairs, after some time, or once a quality is probably reached (`goal.py`).
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import classes_of
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs import Arrays
from pruning_oracle.oracle.estimated.estimate import Estimates, estimates, filled
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.rounds import choose_pairs
from pruning_oracle.oracle.estimated.site_sample import SiteSample
from pruning_oracle.oracle.estimated.steps import USUAL, Steps
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import Oracle, said
from pruning_oracle.oracle.parts import check_changes
from pruning_oracle.oracle.resume import Units

log = logging.getLogger("oracle")
BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} pairs, {elapsed} gone, {remaining} left"


@dataclass(frozen=True)
class EstimatedOracle:
    """An estimated oracle: every pair's change (predicted if not measured), which pairs were measured, and the estimates."""

    oracle: Oracle
    measured: dict[str, np.ndarray]  # [example, map] by site; includes pairs known to change nothing
    estimates: dict[str, Estimates]
    share: float  # of all pairs that were measured; pairs known to change nothing do not count as measured
    rounds: int
    reached: float  # the quality that the goal names; NaN if it names none


class Sampling:
    """Makes one estimated oracle of a case, on these rows of its training set, `size` examples at a time.

    With `units`, finished work is read from them and new work stored in them, so that an interrupted run can resume.
    """

    def __init__(
        self,
        case: Case,
        engine: Replay,
        rows: Sequence[int],
        size: int,
        units: Units | None = None,
        steps: Steps = USUAL,
        seed: int | None = None,  # of the draws; None: the case's
    ) -> None:
        self.seed = case.seed if seed is None else seed
        self.case, self.engine, self.rows, self.size, self.units, self.steps = case, engine, list(rows), size, units, steps
        self.spent = 0.0
        self.staying: dict[tuple[int, ...], Batch] = {}  # by the rows of the block

    def run(self, goal: Goal) -> EstimatedOracle:
        """Measures in rounds until the goal is reached; raises BadInput if its share is less than one pair per map."""
        try:
            return self._run(goal)
        finally:
            self.staying.clear()
            self.engine.leave()

    def _run(self, goal: Goal) -> EstimatedOracle:
        maps = sum(site.maps for site in self.case.sites)
        total = len(self.rows) * maps
        if goal.share * total < maps:
            raise BadInput(
                f"{self.case.name}: a budget of {goal.share:g} is {goal.share * total:.0f} pairs for {maps} maps;"
                f" give at least one for each, --budget {1 / len(self.rows):.2g}"
            )
        first = self.look() if self.steps.first is None else self.steps.first
        samples = self.steps.samples(self.case, first)
        done, step, reached = 0, 0, math.nan
        with tqdm(total=total, desc=self._name, unit_scale=True, bar_format=BAR, disable=None) as bar:
            while True:
                pairs = self._pairs(goal, step, done, total)
                chosen = choose_pairs(samples, pairs, self.seed, step) if pairs >= 1 else []
                if not any(part.any() for part, _ in chosen):
                    break
                bar.total = int(goal.share * total)
                self._measure(step, pairs, samples, chosen, bar)
                done, step = sum(int(sample.measured.sum()) for sample in samples), step + 1
                if goal.quality:
                    reached = goal.reached([estimates(sample) for sample in samples], self.seed)
                log.info("%s: %s of %s pairs after round %d%s", self._name, f"{done:,}", f"{total:,}", step, goal.said(reached))
                if goal.quality and goal.met(reached):
                    break
        return self._result(first, samples, done / total, step, reached)

    @property
    def _name(self) -> str:
        return f"{self.case.name} seed {self.case.seed} oracle"

    def _blocks(self) -> list[list[int]]:
        return [self.rows[start : start + self.size] for start in range(0, len(self.rows), self.size)]

    def _unit(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of the unit of this name, made and stored if missing; the seconds it took are added to `spent`."""
        found = self.units.get(name) if self.units else None
        if found is None:
            start = time.monotonic()
            found = make()
            found["seconds"] = np.array(time.monotonic() - start)
            if self.units:
                self.units.put(name, found)
        self.spent += float(found["seconds"])
        return found

    def _pairs(self, goal: Goal, step: int, done: int, total: int) -> float:
        """How many pairs a round should measure; stored as a unit, since it may depend on the clock."""
        size = goal.pairs(step, done, total, sum(site.maps for site in self.case.sites), self.spent)
        return float(self._unit(f"round-{step}", lambda: {"pairs": np.array(size)})["pairs"])

    def look(self) -> dict[str, np.ndarray]:
        """Passes all examples forward and backward, and joins what the passes show.

        Returns the arrays of `first_order_moves`, the `labels` if these are classes, and `alive/SITE`, `[example, map]`: false
        for pairs known to change nothing.
        """
        parts: dict[str, list[np.ndarray]] = {}
        for place, block in enumerate(self._blocks()):
            for name, part in self._unit(f"look-{place}", partial(self._looked, block)).items():
                parts.setdefault(name, []).append(part)
        parts.pop("seconds")
        return {name: np.concatenate(of) for name, of in parts.items()}

    def _looked(self, block: list[int]) -> Arrays:
        batch = self._batch(block)
        with memory.memory_error_as_bad_input(self.case, len(block)):
            arrays = self.engine.fitting(partial(self.steps.moves, self.case, batch, block))
        for site in self.case.sites:
            arrays[f"alive/{site.name}"] = self.engine.alive(site, batch).cpu().numpy()
        classes = classes_of(batch.labels)
        return arrays if classes is None else arrays | {"labels": classes.numpy()}

    def _batch(self, block: list[int]) -> Batch:
        """The batch of a block; as many blocks as memory allows pass through the network once, the others in every round."""
        if tuple(block) in self.staying:
            return self.staying[tuple(block)]
        batch = next(self.case.batches(self.case.train, block, len(block)))
        if not self.engine.crowded and len(self.staying) < self._most:
            self.staying[tuple(block)] = batch
            self.engine.stay(batch)
        return batch

    @cached_property
    def _most(self) -> int:
        """How many blocks may keep their values in half of the engine's memory: all, or so many that one more has room."""
        room, each = 2 * self.engine.room, max(1, memory.activations(self.case))
        return len(self._blocks()) if len(self.rows) * each <= room else max(0, room // (self.size * each) - 1)

    def _measure(
        self, step: int, pairs: float, samples: list[SiteSample], chosen: list[tuple[np.ndarray, np.ndarray]], bar: Any
    ) -> None:
        """Measures the chosen pairs, and adds their changes to the samples."""
        changes = [np.zeros(part.shape) for part, _ in chosen]
        for place, block in enumerate(self._blocks()):
            own = slice(place * self.size, place * self.size + len(block))
            parts = [part[own] for part, _ in chosen]
            found = self._unit(f"round-{step}-{place}", partial(self.measure, block, parts))
            for site, part, change in zip(self.case.sites, parts, changes, strict=True):
                change[own].T[part.T] = found[site.name]
            bar.update(sum(int(part.sum()) for part in parts))
        for sample, (part, chance), change in zip(samples, chosen, changes, strict=True):
            sample.add(pairs, filled(sample), part, chance, change)

    def measure(self, block: list[int], parts: list[np.ndarray]) -> Arrays:
        """Measures the chosen pairs of a block: their changes in nats by site, ordered by map and then by example.

        `parts` marks the chosen pairs of every site, `[example, map]`.
        """
        if self.steps.measure:
            return self.steps.measure(parts)
        batch, arrays = self._batch(block), dict[str, np.ndarray]()
        for site, part in zip(self.case.sites, parts, strict=True):
            maps, examples = (torch.from_numpy(index) for index in np.nonzero(part.T))
            there = (index.to(self.case.device) for index in (examples, maps))
            found = self.engine.pairs(site, batch, *there).cpu()
            change = torch.zeros(part.shape, dtype=found.dtype)
            change[examples, maps] = found
            check_changes(self.case, change, block, partial(said, site))
            arrays[site.name] = found.numpy()
        return arrays

    def _result(
        self, first: dict[str, np.ndarray], samples: list[SiteSample], share: float, rounds: int, reached: float
    ) -> EstimatedOracle:
        kept = torch.from_numpy(first["kept"])
        named = {site.name: sample for site, sample in zip(self.case.sites, samples, strict=True)}
        changes = {name: torch.from_numpy(filled(sample)).to(kept.dtype) for name, sample in named.items()}
        labels = torch.from_numpy(first["labels"]) if "labels" in first else None
        oracle = Oracle(changes, kept, labels, self.spent)
        measured = {name: sample.known for name, sample in named.items()}
        return EstimatedOracle(
            oracle, measured, {name: estimates(sample) for name, sample in named.items()}, share, rounds, reached
        )
