"""The loop of Molchanov et al.: learn and score, remove the least important maps, learn again, down to a target."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from bench import clock, cost
from bench.case import Batch, Case
from bench.errors import BadInput
from bench.evaluation import evaluate
from criteria.criterion import Criterion
from criteria.evidence import collect
from pruning.gathering import FREE, Gathering
from pruning.ranking import by_criterion, by_oracle, lowest, removable, scaled
from pruning.settings import Settings, Target
from pruning.surgery import Pruned, check, cut
from pruning.updates import WORST, Diverged, augmentation, learn, minibatches, momenta, optimizer, with_momenta
from pruning.wiring import wire

CHECKED = 4  # examples on which every smaller network is compared with the gated one
Row = dict[str, Any]


@dataclass
class State:
    """Where a run stands: all that the next step depends on, and what was recorded."""

    pruned: Pruned
    momenta: dict[str, Tensor] = field(default_factory=dict)
    scores: list[Any] = field(default_factory=list)
    update: int = 0
    scored: int = 0  # how often maps were ranked
    rows: list[Row] = field(default_factory=list)
    done: bool = False  # but for the final fine-tuning
    why: str = ""  # it ended before the target
    finished: bool = False


def start(case: Case) -> State:
    """The state before anything was removed; the case itself learns nothing."""
    return State(Pruned(_copy(case), case.sites, wire(case)))


def _few(case: Case) -> Batch:
    return next(case.batches(case.train, range(min(CHECKED, len(case.train))), CHECKED))


def _copy(case: Case) -> Case:
    return dataclasses.replace(case, model=copy.deepcopy(case.model))


class Loop:
    """Prunes one case with one criterion; `keep` is called after every step, and whatever it keeps can be gone on with."""

    def __init__(self, state: State, settings: Settings, criterion: Criterion | None, keep: Callable[[State], None]) -> None:
        self.state, self.settings, self.criterion, self.keep = state, settings, criterion, keep
        self.augment = augmentation(state.pruned.case)
        self.needs = criterion.needs if criterion else frozenset[str]()
        self.from_updates = settings.updates > 0 and not settings.fresh and criterion is not None and self.needs <= FREE
        if not state.rows:
            check_reachable(state.pruned, settings.until)

    def run(self) -> State:
        """Goes on until the target is reached, or no further; then the final fine-tuning."""
        try:
            if not self.state.rows:
                self._first()
            while not (self.state.done or self.state.finished):
                self._step()
            if not self.state.finished:
                self._finish()
        except Diverged as error:
            self.state.why = str(error)
            self.state.finished = True
        self.keep(self.state)
        return self.state

    def _first(self) -> None:
        state = self.state
        case = state.pruned.case
        loss, accuracy = evaluate(case, case.train, case.split(min(512, len(case.train) // 2))[0])
        state.rows.append(self._row({"train_loss": loss, "train_accuracy": accuracy}, {}, {}))
        if self.settings.until.quantity == "accuracy" and math.isnan(state.rows[0]["test_accuracy"]):
            raise BadInput(f"{case.name}: {self.settings.until} needs an output of class scores, [example, class]")
        before = self._copied()
        try:
            state.scores, learned = self._learn_and_score(self.settings.updates, state.rows[0]["seconds"])
            self._checked(learned, {}, {})
        except Diverged:
            self._take_back(before)
            raise
        self.keep(state)

    def _step(self) -> None:
        """Removes maps, learns and scores, records; a step that diverges or loses too much accuracy is taken back."""
        state, until = self.state, self.settings.until
        before, seconds = dataclasses.replace(state), {}
        count = self.settings.remove
        if until.quantity == "maps":
            count = min(count, self._left() - until.least(state.rows[0]["maps"]))
        gone = lowest(state.pruned.case, state.scores, count)
        removed = sorted(owner for name, maps in gone.items() for owner in state.pruned.owners(name, maps))
        start = time.perf_counter()
        self._cut(gone)
        seconds["cutting"] = time.perf_counter() - start
        try:
            state.scores, learned = self._learn_and_score(self.settings.updates, seconds)
            row = self._checked(learned, seconds, {"removed": removed})
        except Diverged:
            self._take_back(before)
            raise
        if until.quantity == "accuracy" and row["test_accuracy"] < state.rows[0]["test_accuracy"] + until.value:
            self._take_back(before)
            state.done = True
        else:
            state.rows.append(row)
            state.done = reached(state.rows[0], row, until) or not removable(state.pruned.case)
        self.keep(state)

    def _copied(self) -> State:
        """The state with a network of its own, to take back what learning does in place."""
        return dataclasses.replace(
            self.state,
            pruned=dataclasses.replace(self.state.pruned, case=_copy(self.state.pruned.case)),
            momenta={name: momentum.clone() for name, momentum in self.state.momenta.items()},
        )

    def _take_back(self, before: State) -> None:
        state = self.state
        state.pruned, state.momenta, state.scores, state.update = before.pruned, before.momenta, before.scores, before.update
        state.scored = before.scored

    def _left(self) -> int:
        return sum(site.maps for site in self.state.pruned.case.sites)

    def _cut(self, gone: dict[str, list[int]]) -> None:
        """Deletes maps from the network and from its momentum, and compares the outputs with the gated network's."""
        state = self.state
        case = state.pruned.case
        twin = with_momenta(case.model, state.momenta)
        smaller = cut(state.pruned, gone, [twin])
        check(case, smaller.case, gone, _few(case))
        state.momenta = {name: dict(twin.named_parameters())[name].detach() for name in state.momenta}
        state.scores = [np.delete(score, gone.get(site.name, [])) for site, score in zip(case.sites, state.scores, strict=True)]
        state.pruned = smaller

    def _learn_and_score(self, updates: int, seconds: dict[str, float] | None = None) -> tuple[list[Any], dict[str, float]]:
        """Fine-tunes; the scores of every map, and mean loss and accuracy over the updates."""
        seconds = {} if seconds is None else seconds
        start = time.perf_counter()
        case = self.state.pruned.case
        gathering = Gathering(case, self.needs if self.from_updates else frozenset())
        learned = self._learn(updates, gathering)
        clock.finish()
        middle = time.perf_counter()
        scores = self._scores(gathering)
        seconds |= {"learning": middle - start, "scoring": time.perf_counter() - middle}
        return scores, learned

    def _learn(self, updates: int, gathering: Gathering, falling: bool = False) -> dict[str, float]:
        """Mean loss and accuracy over some updates; with a `falling` rate, which ends at 0 along a cosine."""
        state, settings = self.state, self.settings
        case = state.pruned.case
        if not updates:
            return {"train_loss": math.nan, "train_accuracy": math.nan}
        step = optimizer(case.model, settings, state.momenta)
        total, right, seen = 0.0, 0.0, 0
        case.model.train()
        try:
            for place, batch in zip(range(updates), minibatches(case, settings, state.update, self.augment), strict=False):
                if falling:
                    step.param_groups[0]["lr"] = settings.rate * (1 + math.cos(math.pi * place / updates)) / 2
                loss, hits = learn(case, step, batch, state.update, gathering)
                total, right, seen = total + loss * len(batch.labels), right + hits, seen + len(batch.labels)
                state.update += 1
        finally:
            case.model.eval()
            step.zero_grad()
        state.momenta = momenta(case.model, step)
        return {"train_loss": total / seen, "train_accuracy": right / seen}

    def _scores(self, gathering: Gathering) -> list[Any]:
        """The score of every map: of the updates' evidence, of fresh passes, or of an oracle measured anew."""
        case, settings, step = self.state.pruned.case, self.settings, self.state.scored
        self.state.scored += 1
        if self.criterion is None:
            if self.state.scores and step % settings.again:
                return self.state.scores
            rows = case.split(settings.fresh or None)[0]
            found = by_oracle(case, settings.criterion, rows, settings.batch)
        else:
            evidence = gathering.evidence(settings.seed + 7919 * step) if self.from_updates else self._fresh(step)
            found = by_criterion(case, self.criterion, evidence)
        return scaled(case, found, settings)

    def _fresh(self, step: int) -> Any:
        case, settings = self.state.pruned.case, self.settings
        rows = case.split(settings.fresh or None)[0]
        found = collect(case, rows, settings.batch, self.needs, f"step {step}")
        return {name: dataclasses.replace(evidence, seed=settings.seed + 7919 * step) for name, evidence in found.items()}

    def _checked(self, learned: dict[str, float], seconds: dict[str, float], more: Row) -> Row:
        """What is recorded of a step, unless learning has spoiled the network."""
        row = self._row(learned, seconds, more)
        if (self.settings.updates or "final" in more) and not row["test_loss"] < WORST:
            name, at = self.state.pruned.case.name, self.state.update
            raise Diverged(f"{name}: the test loss is {row['test_loss']} after fine-tuning update {at}: try a smaller --rate")
        return row

    def _row(self, learned: dict[str, float], seconds: dict[str, float], more: Row) -> Row:
        """What is recorded of a step."""
        start = time.perf_counter()
        case, whole = self.state.pruned.case, cost.whole(self.state.pruned.case)
        tested = range(min(self.settings.tested or len(case.test), len(case.test)))
        loss, accuracy = evaluate(case, case.test, tested)
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
        """The final fine-tuning, whose rate falls to 0."""
        state, seconds = self.state, dict[str, float]()
        state.finished = True
        if not self.settings.final_updates:
            return
        before = self._copied()
        start = time.perf_counter()
        try:
            learned = self._learn(self.settings.final_updates, Gathering(state.pruned.case, frozenset()), falling=True)
            seconds["learning"] = time.perf_counter() - start
            state.rows.append(self._checked(learned, seconds, {"final": True}))
        except Diverged:
            self._take_back(before)
            raise


def reached(first: Row, row: Row, until: Target) -> bool:
    """Whether a network is as small as it should be."""
    return until.quantity != "accuracy" and row[until.quantity] <= until.least(first[until.quantity])


def check_reachable(pruned: Pruned, until: Target) -> None:
    """Refuses a target below what is left when every site keeps a single map, and a network that cannot be cut so."""
    case = pruned.case
    gone = {site.name: range(1, site.maps) for site in case.sites if site.maps > 1}
    least = cut(pruned, gone).case
    check(case, least, gone, _few(case))
    whole, small = cost.whole(case), cost.whole(least)
    if until.quantity == "accuracy":
        return
    sizes = {
        "maps": (sum(site.maps for site in case.sites), len(case.sites)),
        "flops": (whole.flops, small.flops),
        "parameters": (whole.parameters, small.parameters),
    }
    before, after = sizes[until.quantity]
    if after > until.least(before):
        raise BadInput(
            f"{case.name}: {until} cannot be reached: a site keeps at least one map, and with one at each"
            f" {until.quantity}={after / before:.4f} is left"
        )
