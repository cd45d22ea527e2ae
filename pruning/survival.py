"""Tests whether the loss before retraining predicts the accuracy after it, on many subsets of maps, each deleted at once.

This is the question of "Is Oracle Pruning the True Oracle?" (arXiv:2412.00143). Subsets of several sizes are drawn at random or
chosen by criteria whose scores are disturbed at random. Each network's loss on training examples is measured right after
deletion, and its accuracy on the test set after the same number of fine-tuning updates.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import case_options, open_case
from pruning_oracle.bench.cutting.surgery import Pruned, cut
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading import by_name
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.runs.bounds import BATCH, COUNT, RATE_OR_NONE, UPDATES
from pruning_oracle.bench.runs.options import add_number
from pruning_oracle.criteria.criterion import choose_criteria, files_of
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with `arguments`, by default those of the command line."""
    parser = case_options("pruning.survival", __doc__, LEARNT)
    by_name.add_options(parser)
    add_number(parser, "--each", COUNT, "subsets of every share and kind (default 3)", default=3)
    add_number(parser, "--updates", UPDATES, "of retraining (default 60)", default=60)
    add_number(parser, "--rate", RATE_OR_NONE, "learning rate (default 3e-3)", default=3e-3)
    add_number(parser, "--batch", BATCH, "examples per update (default 32)", default=32)
    parser.add_argument("--out", type=Path, help="the file to write (default: the run's own under runs/)")
    given = parser.parse_args(arguments)
    given.case = by_name.case_line(given)
    settings = PruningSettings(updates=given.updates, rate=given.rate, batch=given.batch, seed=given.seed)

    def out_of(case: Case) -> Path:
        return given.out or runs.folder(case.name, case.seed) / "pruning" / "subsets.survival"

    opened = open_case(given, ["pruning/survival.py"], out_of, runs.run_file(KIND), (), files_of(choose_criteria(CHOSEN)))
    case, out = opened.case, opened.out
    setting = opened.setting | {"settings": settings.facts, "each": given.each, "examples": case.examples}
    if runs.is_current(out, KIND, setting):
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    if math.isnan(evaluate(case, case.test, range(min(settings.batch, len(case.test))))[1]):
        raise BadInput(f"{case.name}: survival is judged by accuracy, which this case's outputs and labels do not have")
    state = start(case)
    wanted = list(subsets(state.pruned, given.each, settings.batch, case.seed))
    rows: list[dict[str, Any]] = []
    for name, share, gone in tqdm(wanted, desc=f"{case.name} seed {case.seed} subsets", unit="subset", leave=False):
        try:
            loss, accuracy = survive(case, settings, state, gone)
        except Diverged:
            loss, accuracy = math.nan, math.nan
        rows.append({"chosen by": name, "share": share, "loss": loss, "accuracy": accuracy})
    runs.save(out, KIND, {}, setting | {"setting": runs.stamp(setting), "rows": rows} | runs.provenance())
    print(f"{case.name} seed {case.seed}: {len(rows)} subsets pruned and retrained, in {out}")


if __name__ == "__main__":
    exit_with(main)
