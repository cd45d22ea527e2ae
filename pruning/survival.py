"""Tests whether the loss before retraining predicts the accuracy after it, on many subsets of maps, each deleted at once.

This is the question of "Is Oracle Pruning the True Oracle?" (arXiv:2412.00143). Subsets of several sizes are drawn at random or
chosen by criteria whose scores are disturbed at random. Each network's loss on training examples is measured right after
deletion, and its accuracy on the test set after the same number of fine-tuning updates.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.pruning_settings import PruningSettings
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


def survive(case: Case, settings: PruningSettings, state: State, gone: dict[str, list[int]]) -> tuple[float, float]:
    """The loss on training examples without the maps in `gone`, and the test accuracy after retraining that network."""
    smaller = cut(state.pruned, gone).case
    loss = evaluate(smaller, case.train, case.split(None)[0])[0]
    step, nothing = optimizer(smaller.model, settings, {}), EvidenceFromUpdates(smaller, frozenset())
    batches = itertools.islice(training_minibatches(smaller, settings, 0, augmentation(case)), settings.updates)
    fine_tune(smaller, step, batches, 0, nothing, TrainingTotals())
    return loss, evaluate(smaller, case.test, range(len(case.test)))[1]


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
    setting = opened.setting | {"settings": settings.facts, "each": each, "examples": case.examples}
    if before := finished_before(out, KIND, setting):
        return before
    if math.isnan(evaluate(case, case.test, range(min(settings.batch, len(case.test))))[1]):
        raise BadInput(f"{case.name}: survival is judged by accuracy, which this case's outputs and labels do not have")
    state = start(case)
    wanted = list(subsets(state.pruned, each, settings.batch, case.seed))
    rows: list[dict[str, Any]] = []
    for name, share, gone in bar(wanted, desc=f"{case.name} seed {case.seed} subsets", unit="subset", leave=False):
        try:
            loss, accuracy = survive(case, settings, state, gone)
        except Diverged:
            loss, accuracy = math.nan, math.nan
        rows.append({"chosen by": name, "share": share, "loss": loss, "accuracy": accuracy})
    facts = setting | {"setting": runs.stamp(setting), "rows": rows} | runs.provenance()
    runs.save(out, KIND, {}, facts)
    return Finished(out, facts, False)
