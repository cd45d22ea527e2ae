"""Tests whether the loss before retraining predicts accuracy and loss after it, on many subsets of maps, each deleted at once.

This is the question of "Is Oracle Pruning the True Oracle?" (arXiv:2412.00143). Subsets of several sizes are drawn at random or
chosen by criteria whose scores are disturbed at random. Each network's loss on training examples is measured right after
deletion, as it is and after each repair, and its accuracy and loss on the test set after the same number of fine-tuning
updates, which start from the network as it is. Summed scores of the deleted maps are kept as further predictors.
"""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
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
from pruning_oracle.bench.repair.names import BIAS, EXAMPLES, REPAIRS
from pruning_oracle.bench.repair.passes import spare_examples
from pruning_oracle.bench.runs.bounds import SHARE
from pruning_oracle.bench.setting import Finished, finished_before, open_case
from pruning_oracle.criteria.criterion import choose_criteria, code_of
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.pruning.loop.gathering import EvidenceFromUpdates
from pruning_oracle.pruning.loop.ranking import by_criterion, lowest
from pruning_oracle.pruning.loop.state import State, TrainingTotals, start
from pruning_oracle.pruning.loop.updates import LEARNT, Diverged, augmentation, fine_tune, optimizer, training_minibatches

KIND = "survival"
SHARES = "0.2,0.4,0.6"  # of all maps that are deleted
CHOSEN = ("taylor", "weight_l2", "activation_mean")
DISTURBED = 0.5  # standard deviation of the noise added to the logarithm of a score


@dataclass(frozen=True)
class Subset:
    """Maps to delete: who chose them (`random` or a criterion), their share of all, and what criteria say of them.

    `sums` are the maps' summed scores by criterion, as they are.
    """

    chosen_by: str
    share: float
    gone: dict[str, list[int]]
    sums: dict[str, float]

    @property
    def facts(self) -> dict[str, Any]:
        """What a run file says of the subset."""
        return {"chosen by": self.chosen_by, "share": self.share} | {f"sum of {name}": sum for name, sum in self.sums.items()}


def subsets(pruned: Pruned, each: int, size: int, seed: int, shares: Sequence[float]) -> Iterator[Subset]:
    """Yields subsets of maps to delete, `each` of every share at random, and as many by each criterion.

    `size` is examples per pass.
    """
    random = np.random.default_rng(seed)
    case = pruned.case
    rows = case.split(None)[0]
    plain: dict[str, list[np.ndarray]] = {}
    for criterion in choose_criteria(CHOSEN):
        plain[criterion.name] = by_criterion(case, criterion, collect(case, rows, size, criterion.needs, "subsets"))
    scaled = {name: [score / max(np.sqrt((score**2).sum()), 1e-30) for score in scores] for name, scores in plain.items()}
    ranked = {"random": [np.ones(site.maps) for site in case.sites]} | scaled
    total = sum(site.maps for site in case.sites)
    for share in shares:
        for name, scores in ranked.items():
            for _ in range(each):
                noise = [random.normal(0, 5.0 if name == "random" else DISTURBED, len(score)) for score in scores]
                disturbed = [score * np.exp(part) for score, part in zip(scores, noise, strict=True)]
                gone = lowest(case, disturbed, round(share * total), pruned.needed)
                yield Subset(name, share, gone, {said: _sum(case, own, gone) for said, own in plain.items()})


def _sum(case: Case, scores: list[np.ndarray], gone: dict[str, list[int]]) -> float:
    """The summed scores of the maps in `gone`."""
    return float(sum(score[gone[site.name]].sum() for site, score in zip(case.sites, scores, strict=True) if site.name in gone))


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
        both = [name for name in self.names if len(REPAIRS[name]) > 1]  # passes through `bias` on its way
        for name in [name for name in self.names if name != BIAS or not both]:
            _, *steps = after_removal(self.ready, gone, name, self.rows)
            for done, (part, repaired) in enumerate(steps, 1):
                loss = evaluate(repaired.case, repaired.case.train, rows)[0]
                found[f"loss after {name if done == len(steps) else part}"] = loss
        return found


def survive(
    case: Case, settings: PruningSettings, state: State, gone: dict[str, list[int]], repairs: Repairs
) -> dict[str, float]:
    """What becomes of the network without the maps in `gone`: losses on training examples, and the test after retraining.

    A loss and accuracy of a network whose retraining diverged are NaN.
    """
    smaller, rows = cut(state.pruned, gone).case, case.split(settings.examples or None)[0]
    found = {"loss": evaluate(smaller, case.train, rows)[0]} | repairs.losses(gone, rows)
    step, nothing = optimizer(smaller.model, settings, {}), EvidenceFromUpdates(smaller, frozenset())
    batches = itertools.islice(training_minibatches(smaller, settings, 0, augmentation(case)), settings.updates)
    try:
        fine_tune(smaller, step, batches, 0, nothing, TrainingTotals())
    except Diverged:
        return found | {"test_loss": math.nan, "accuracy": math.nan}
    loss, accuracy = evaluate(smaller, case.test, range(min(settings.tested or len(case.test), len(case.test))))
    return found | {"test_loss": loss, "accuracy": accuracy}


def shares_of(text: str) -> tuple[float, ...]:
    """The shares of all maps that a text such as `0.1,0.2` lists; BadInput for anything else."""
    found = tuple(SHARE.read("--shares", part) for part in text.split(","))
    if len(set(found)) < len(found):
        raise BadInput(f"--shares is {text!a}; allowed is each share once, such as {SHARES}")
    return found


def run_survival(
    case: Case,
    out: Path,
    each: int,
    settings: PruningSettings,
    device: str = "auto",
    precision: str = "float32",
    shares: str = SHARES,
) -> Finished:
    """Prunes and retrains `each` subsets of every share and kind by some settings, and writes what became of them to `out`.

    The losses before are of `settings.examples` training examples, at most the case's number. Nothing is done where `out` is up
    to date.
    """
    if precision not in LEARNT:
        raise unknown("precision", precision, LEARNT)
    listed = shares_of(shares)
    if settings.examples > case.examples:
        raise BadInput(
            f"--examples is {settings.examples}; {case.name} ranks maps by {case.examples}: allowed are 3 to so many"
        )
    code = code_of(choose_criteria(CHOSEN), ())
    opened = open_case(case, out, runs.run_file(KIND), ["pruning/survival.py"], device, precision, (), code)
    case = opened.case
    setting = opened.setting | {"settings": settings.facts, "each": each, "examples": settings.examples or case.examples}
    setting |= {"repaired on": EXAMPLES, "shares": list(listed)}
    if before := finished_before(out, KIND, setting):
        return before
    if math.isnan(evaluate(case, case.test, range(min(settings.batch, len(case.test))))[1]):
        raise BadInput(f"{case.name}: survival is judged by accuracy, which this case's outputs and labels do not have")
    state, began = start(case), time.monotonic()
    repairs = Repairs.of(state.pruned)
    wanted = list(subsets(state.pruned, each, settings.batch, case.seed, listed))
    rows: list[dict[str, Any]] = []
    for one in bar(wanted, desc=f"{case.name} seed {case.seed} subsets", unit="subset", leave=False):
        rows.append(one.facts | survive(case, settings, state, one.gone, repairs))
    facts = setting | {"setting": runs.stamp(setting), "rows": rows, "repaired on": len(repairs.rows)} | runs.provenance()
    facts |= {"seconds": round(time.monotonic() - began, 1)}
    runs.save(out, KIND, {}, facts)
    return Finished(out, facts, False)
