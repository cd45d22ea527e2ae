"""The pruning loop of Molchanov et al.: fine-tune and score, delete the least important maps, repeat until a target."""

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pruning_oracle.bench.cutting.check import check_outputs, comparison_batch
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.device import finish
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.network import cost, memory
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.after_removal import after_removal
from pruning_oracle.bench.training.from_scratch import cosine
from pruning_oracle.criteria.criterion import Criterion
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.room import room_for
from pruning_oracle.pruning.loop.gathering import FREE, EvidenceFromUpdates
from pruning_oracle.pruning.loop.ranking import by_criterion, by_oracle, lowest, removable, scaled, size_of_passes
from pruning_oracle.pruning.loop.repairing import examples_of_repair
from pruning_oracle.pruning.loop.state import Row, State, TrainingTotals
from pruning_oracle.pruning.loop.target import check_reachable
from pruning_oracle.pruning.loop.updates import (
    WORST,
    Diverged,
    augmentation,
    fine_tune,
    momentum_of,
    optimizer,
    training_minibatches,
)

JUDGED = 5  # an accuracy target is compared with the median of the last steps, as a single one fluctuates
KEPT = 50  # updates of the final fine-tuning between two calls of `keep`


class Loop:
    """Prunes one case with one criterion, or with the oracle that `settings` names if `criterion` is None.

    `keep` is called with the state after every step; a run can go on from any state that it saves. A new run raises BadInput
    if its target cannot be reached.
    """

    def __init__(
        self, state: State, settings: PruningSettings, criterion: Criterion | None, keep: Callable[[State], None]
    ) -> None:
        self.state, self.settings, self.criterion, self.keep = state, settings, criterion, keep
        self.augment = augmentation(state.pruned.case)
        self.aside = examples_of_repair(state.pruned.case, settings)
        self.needs = criterion.needs if criterion else frozenset[str]()
        self.from_updates = settings.updates > 0 and not settings.examples and criterion is not None and self.needs <= FREE
        if not state.rows:
            check_reachable(settings.target, state.pruned)

    def run(self) -> State:
        """Prunes until the target is reached or no map is left to delete, then fine-tunes a last time; returns the final state.

        If fine-tuning diverges, the state is the last good one and its `why` says what happened.
        """
        try:
            if not self.state.rows:
                self._first()
            while not (self.state.done or self.state.finished):
                self._step()
            if not self.state.finished:
                self._finish()
        except Diverged as error:
            self.state.take_back()
            self.state.why = str(error)
            self.state.finished = True
        self.keep(self.state)
        return self.state

    def _first(self) -> None:
        """Records the whole network as the first row, then fine-tunes and scores so that maps can be ranked."""
        state = self.state
        case = state.pruned.case
        loss, accuracy = evaluate(case, case.train, case.split(min(512, len(case.train) // 2))[0])
        state.rows.append(self._row({"train_loss": loss, "train_accuracy": accuracy}, {}, {}))
        if self.settings.target.quantity == "accuracy" and math.isnan(state.rows[0]["test_accuracy"]):
            raise BadInput(
                f"{case.name}: {self.settings.target} needs an output of class scores, [example, class], and one class each"
            )
        state.good = state.copied()
        self._checked(self._learn_and_score(state.rows[0]["seconds"]), {}, {})
        state.good = None
        self.keep(state)

    def _step(self) -> None:
        """One step: deletes maps, fine-tunes, scores the maps that are left, and records and judges the result."""
        state, target, seconds = self.state, self.settings.target, dict[str, float]()
        count = self.settings.remove
        if target.quantity == "maps":
            count = min(count, self._left() - target.least(state.rows[0]["maps"]))
        gone = lowest(state.pruned.case, state.scores, count, state.pruned.needed)
        removed = sorted(owner for name, maps in gone.items() for owner in state.pruned.owners(name, maps))
        state.good = state.good or state.marked()
        before, start = state.pruned, time.perf_counter()
        self._cut(gone)
        seconds["cutting"] = time.perf_counter() - start
        repaired = self._repair(before, gone, seconds) if self.aside else {}
        learned = self._learn_and_score(seconds)
        state.rows.append(self._checked(learned, seconds, repaired | {"removed": removed}))
        self._judge()
        self.keep(state)

    def _judge(self) -> None:
        """Decides whether the network of the last step is good enough to keep, and whether pruning is done."""
        state, target = self.state, self.settings.target
        first, row = state.rows[0], state.rows[-1]
        if target.quantity == "accuracy":
            least = first["test_accuracy"] + target.value
            if row["test_accuracy"] >= least:
                state.good = None
            state.done = statistics.median_high(row["test_accuracy"] for row in state.rows[-JUDGED:]) < least
        else:
            state.good = None
            state.done = target.reached(first, row)
        state.done = state.done or not removable(state.pruned)
        if state.done:
            state.take_back()

    def _left(self) -> int:
        return sum(site.maps for site in self.state.pruned.case.sites)

    def _cut(self, gone: dict[str, list[int]]) -> None:
        """Deletes maps from the network, its momentum and the scores, and checks its outputs against the gated network's."""
        state = self.state
        case = state.pruned.case
        smaller = cut(state.pruned, gone)
        check_outputs(case, smaller.case, gone, comparison_batch(case))
        state.momenta = {name: state.pruned.moved(smaller, name, momentum) for name, momentum in state.momenta.items()}
        state.scores = [np.delete(score, gone.get(site.name, [])) for site, score in zip(case.sites, state.scores, strict=True)]
        state.pruned = smaller

    def _repair(self, before: Pruned, gone: dict[str, list[int]], seconds: dict[str, float]) -> Row:
        """Repairs the network after a removal from `before`; returns the test loss before it and after each part of it."""
        losses, seconds["repairing"], start = {}, 0.0, time.perf_counter()
        for name, smaller in after_removal(before, gone, self.settings.repair, self.aside, self.state.pruned):
            finish()
            seconds["repairing"] += time.perf_counter() - start
            losses[f"{name}_loss"] = evaluate(smaller.case, smaller.case.test, self._tested())[0]
            self.state.pruned, start = smaller, time.perf_counter()
        return losses

    def _tested(self) -> range:
        """The test examples that judge every step."""
        count = len(self.state.pruned.case.test)
        return range(min(self.settings.tested or count, count))

    def _learn_and_score(self, seconds: dict[str, float]) -> TrainingTotals:
        """Fine-tunes between two removals and scores every map; adds the time of both to `seconds`."""
        case, learned = self.state.pruned.case, TrainingTotals()
        gathering = EvidenceFromUpdates(case, self.needs if self.from_updates else frozenset())
        self._learn(self.settings.updates, gathering, learned)
        finish()
        start = time.perf_counter()
        self.state.scores = self._scores(gathering)
        seconds |= {"learning": learned.seconds, "scoring": time.perf_counter() - start}
        return learned

    def _learn(self, updates: int, gathering: EvidenceFromUpdates, learned: TrainingTotals, falling: int = 0) -> None:
        """Makes so many updates and adds them to `learned`; if `falling`, the rate falls to 0 along a cosine over as many."""
        state, settings = self.state, self.settings
        case = state.pruned.case
        step = optimizer(case.model, settings, state.momenta)
        batches = itertools.islice(training_minibatches(case, settings, state.update, self.augment, self.aside), updates)
        rate = partial(cosine, settings.rate, of=falling) if falling else None
        before = learned.updates
        try:
            fine_tune(case, step, batches, state.update, gathering, learned, rate)
        finally:
            state.update += learned.updates - before
        state.momenta = momentum_of(case.model, step)

    def _scores(self, gathering: EvidenceFromUpdates) -> list[Any]:
        """The scores `[map]` of every site: from evidence of the updates or of separate passes, or from an oracle."""
        case, settings, step = self.state.pruned.case, self.settings, self.state.scored
        self.state.scored += 1
        if self.criterion is None:
            if self.state.scores and step % settings.again:
                return self.state.scores
            rows = case.split(settings.examples or None)[0]
            found = by_oracle(case, settings.criterion, rows, settings.batch)
        else:
            evidence = gathering.evidence(settings.seed + 7919 * step) if self.from_updates else self._passes(step)
            found = by_criterion(case, self.criterion, evidence)
        return scaled(case, found, settings)

    def _passes(self, step: int) -> Any:
        case, settings = self.state.pruned.case, self.settings
        rows = case.split(settings.examples or None)[0]
        room = room_for(case, self.needs, len(rows), memory.default_memory(case.device))
        found = collect(case, rows, size_of_passes(case, settings.batch), self.needs, f"step {step}", room=room)
        return {name: dataclasses.replace(evidence, seed=settings.seed + 7919 * step) for name, evidence in found.items()}

    def _checked(self, learned: TrainingTotals, seconds: dict[str, float], more: Row) -> Row:
        """The row that records a step; raises Diverged if the test loss after fine-tuning is not below WORST."""
        row = self._row(learned.means, seconds, more)
        if learned.updates and not row["test_loss"] < WORST:
            name, at = self.state.pruned.case.name, self.state.update
            raise Diverged(f"{name}: the test loss is {row['test_loss']} after fine-tuning update {at}: try a smaller --rate")
        return row

    def _row(self, learned: dict[str, float], seconds: dict[str, float], more: Row) -> Row:
        """The row that records a step: sizes of the network, its test loss and accuracy, seconds, `learned` and `more`."""
        start = time.perf_counter()
        case, whole = self.state.pruned.case, cost.whole(self.state.pruned.case)
        loss, accuracy = evaluate(case, case.test, self._tested())
        return {
            "maps": sum(site.maps for site in case.sites),
            "flops": whole.flops,
            "parameters": whole.parameters,
            "sites": [site.maps for site in case.sites],
            "updates": self.state.update,
            "test_loss": loss,
            "test_accuracy": accuracy,
            "seconds": {name: round(value, 4) for name, value in (seconds | {"testing": time.perf_counter() - start}).items()},
            **learned,
            **more,
        }

    def _finish(self) -> None:
        """Makes the final fine-tuning, whose rate falls to 0, and records it as the last row."""
        state, wanted = self.state, self.settings.final_updates
        if wanted:
            state.good = state.good or state.copied()
            nothing = EvidenceFromUpdates(state.pruned.case, frozenset())
            while state.final.updates < wanted:
                self._learn(min(KEPT, wanted - state.final.updates), nothing, state.final, falling=wanted)
                self.keep(state)
            state.rows.append(self._checked(state.final, {"learning": state.final.seconds}, {"final": True}))
        state.good, state.finished = None, True
