"""Tests whether the loss before retraining predicts accuracy and loss after it, on many subsets of maps, each deleted at once.

This is the question of "Is Oracle Pruning the True Oracle?" (arXiv:2412.00143). Subsets of several sizes are drawn at random or
chosen by criteria whose scores are disturbed at random. Each network's loss on training examples is measured right after
deletion, as it is and after each repair, and its accuracy and loss on the test set after the same number of fine-tuning
updates, which start from the network as it is.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned, cut, of_sites, uncut
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for, repairs_of
from pruning_oracle.bench.repair.names import EXAMPLES
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.setting import Finished, finished_before, open_case
from pruning_oracle.criteria.criterion import choose_criteria, code_of
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.loop.gathering import EvidenceFromUpdates
from pruning_oracle.pruning.loop.ranking import by_criterion, lowest
from pruning_oracle.pruning.loop.state import State, TrainingTotals, start
from pruning_oracle.pruning.loop.updates import LEARNT, Diverged, augmentation, fine_tune, optimizer, training_minibatches

KIND = "survival"
SHARES = (0.2, 0.4, 0.6)  # of all maps that are deleted
CHOSEN = ("taylor", "weight_l2", "activation_mean")
DISTURBED = 0.5  # standard deviation of the noise added to the logarithm of a score


def subsets(pruned: Pruned, each: int, size: int, seed: int) -> Iterator[tuple[str, float, dict[str, list[int]]]]:
    """Yields subsets of maps to delete: who chose it (`random` or a criterion), the share of all maps, and the maps by site.

    There are `each` subsets of every share at random, and as many by each criterion; `size` is examples per pass.
    """
    random = np.random.default_rng(seed)
    case = pruned.case
    rows = case.split(None)[0]
    ranked: dict[str, list[np.ndarray]] = {"random": [np.ones(site.maps) for site in case.sites]}
    for criterion in choose_criteria(CHOSEN):
        scores = by_criterion(case, criterion, collect(case, rows, size, criterion.needs, "subsets"))
        ranked[criterion.name] = [score / max(np.sqrt((score**2).sum()), 1e-30) for score in scores]
    total = sum(site.maps for site in case.sites)
    for share in SHARES:
        for name, scores in ranked.items():
            for _ in range(each):
                noise = [random.normal(0, 5.0 if name == "random" else DISTURBED, len(score)) for score in scores]
                disturbed = [score * np.exp(part) for score, part in zip(scores, noise, strict=True)]
                yield name, share, lowest(case, disturbed, round(share * total), pruned.needed)


@dataclass(frozen=True)
class Repairs:
    """The repairs that a network has the layers for: the uncut network that is ready for them, their names and examples."""

    ready: Pruned
    names: tuple[str, ...]
    rows: list[int]

    @classmethod
    def of(cls, pruned: Pruned) -> "Repairs":
        """All repairs of an uncut network, from at most EXAMPLES examples that rank nothing; none if fewer than 3 are left."""
        case = pruned.case
        count = min(EXAMPLES, len(case.train) - case.examples)
        names = tuple(repairs_of(case)[1:]) if count >= 3 else ()
        ready = of_sites(uncut(ready_for(case, names[-1])), case.sites) if names else pruned
        return cls(ready, names, spare_examples(case, count, case.examples) if names else [])

    def losses(self, gone: dict[str, list[int]], rows: list[int]) -> dict[str, float]:
        """The loss on training examples without the maps in `gone` after each repair, as `loss after NAME`."""
        found = {}
        for name in self.names:
            *_, (_, repaired) = after_removal(self.ready, gone, name, self.rows)
            found[f"loss after {name}"] = evaluate(repaired.case, repaired.case.train, rows)[0]
        return found


def survive(
    case: Case, settings: PruningSettings, state: State, gone: dict[str, list[int]], repairs: Repairs
) -> dict[str, float]:
    """What becomes of the network without the maps in `gone`: losses on training examples, and the test after retraining.

    A loss and accuracy of a network whose retraining diverged are NaN.
    """
    smaller, rows = cut(state.pruned, gone).case, case.split(None)[0]
    found = {"loss": evaluate(smaller, case.train, rows)[0]} | repairs.losses(gone, rows)
    step, nothing = optimizer(smaller.model, settings, {}), EvidenceFromUpdates(smaller, frozenset())
    batches = itertools.islice(training_minibatches(smaller, settings, 0, augmentation(case)), settings.updates)
    try:
        fine_tune(smaller, step, batches, 0, nothing, TrainingTotals())
    except Diverged:
        return found | {"test_loss": math.nan, "accuracy": math.nan}
    loss, accuracy = evaluate(smaller, case.test, range(len(case.test)))
    return found | {"test_loss": loss, "accuracy": accuracy}


def run_survival(
    case: Case, out: Path, each: int, settings: PruningSettings, device: str = "auto", precision: str = "float32"
) -> Finished:
    """Prunes and retrains `each` subsets of every share and kind by some settings, and writes what became of them to `out`.

    Nothing is done where that is up to date.
    """
    if precision not in LEARNT:
        raise unknown("precision", precision, LEARNT)
    code = code_of(choose_criteria(CHOSEN), ())
    opened = open_case(case, out, runs.run_file(KIND), ["pruning/survival.py"], device, precision, (), code)
    case = opened.case
    setting = opened.setting | {"settings": settings.facts, "each": each, "examples": case.examples, "repaired on": EXAMPLES}
    if before := finished_before(out, KIND, setting):
        return before
    if math.isnan(evaluate(case, case.test, range(min(settings.batch, len(case.test))))[1]):
        raise BadInput(f"{case.name}: survival is judged by accuracy, which this case's outputs and labels do not have")
    state = start(case)
    repairs = Repairs.of(state.pruned)
    wanted = list(subsets(state.pruned, each, settings.batch, case.seed))
    rows: list[dict[str, Any]] = []
    for name, share, gone in bar(wanted, desc=f"{case.name} seed {case.seed} subsets", unit="subset", leave=False):
        rows.append({"chosen by": name, "share": share} | survive(case, settings, state, gone, repairs))
    facts = setting | {"setting": runs.stamp(setting), "rows": rows, "repaired on": len(repairs.rows)} | runs.provenance()
    runs.save(out, KIND, {}, facts)
    return Finished(out, facts, False)
