"""The oracle on few examples, as a control: what a criterion must beat at equal cost.

It is taken from the measured oracle. On `fresh` examples it is compared with the oracle of the examples that it did not
see, on `shared` ones with that of all; both are means over random draws, and the interval holds 95 % of the draws.
"""

from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import ORACLES, Scores
from pruning_oracle.reports.agreement.correlation import correlate, kendall, mean_over_sites
from pruning_oracle.reports.agreement.grade import ranks, scalings
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN, ceilings
from pruning_oracle.reports.inputs.read import EXAMPLES, Run

COUNTS = (4, 16, 64)
DRAWS = 10


def control_name(count: int) -> str:
    """How the control is called in tables."""
    return f"oracle of {count} examples"


def control_examples(name: str) -> int | None:
    """How many examples a control of that name has; None if it is none."""
    return next((count for count in COUNTS if control_name(count) == name), None)


def why_none(run: Run) -> str:
    """Why a run has no such control, as a sentence that follows another; empty if it has one."""
    examples = run.oracle.facts["examples"]
    none = " The oracle on few examples is not shown:"
    if run.estimated:
        return f"{none} this one is estimated, its predictions were learnt from all examples, and a part of those is no oracle."
    if examples // 2 < COUNTS[0]:
        return f"{none} the oracle has {examples}, and at most half of them, but {COUNTS[0]} at least, may be such a control."
    return ""


def grade_few_examples(run: Run) -> pd.DataFrame:
    """Rows as `agreement.grade` gives them, one control per number of examples that is at most half of the oracle's."""
    changes = [run.change(site) for site in run.sites]
    examples = len(changes[0])
    rows: list[dict[str, Any]] = []
    for oracle, reduction in ORACLES.items():
        ceiling = ceilings(run.sites, changes, reduction, run.seed)
        for count in (count for count in COUNTS if count <= examples // 2):
            random = np.random.default_rng([run.seed, count])
            orders = [random.permutation(examples) for _ in range(DRAWS)]
            score = [np.stack([reduction(change[order[:count]]) for order in orders]) for change in changes]
            fresh = [np.stack([reduction(change[order[count:]]) for order in orders]) for change in changes]
            whole = [np.stack([reduction(change)] * DRAWS) for change in changes]
            for kind, truth in zip(EXAMPLES, (whole, fresh), strict=True):
                for (scope, scaling), (values, taus) in _agreements(run, score, truth).items():
                    low, high = np.quantile(values, [0.025, 0.975])
                    head = {
                        "criterion": control_name(count),
                        "scope": scope,
                        "scaling": scaling,
                        "oracle": oracle,
                        "examples": kind,
                    }
                    means = {"spearman": values.mean(), "kendall": taus.mean(), "low": low, "high": high}
                    rows.append(head | means | {"ceiling": ceiling[scope], "maps": _maps(run, scope), "n": examples})
    table = pd.DataFrame(rows)
    table.insert(0, "seed", run.seed)
    table.insert(0, "case", run.case)
    return table


def _maps(run: Run, scope: str) -> int:
    sizes = {site: run.change(site).shape[1] for site in run.sites}
    return sizes.get(scope, sum(sizes.values()))


def _agreements(run: Run, score: Scores, truth: Scores) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Spearman and Kendall of every draw, at every site and in both summaries."""
    scaled, sites = scalings(run), run.sites
    guess, known = ranks(score, scaled), ranks(truth, scaled)
    values = [correlate(a, b) for a, b in zip(guess.sites, known.sites, strict=True)]
    taus = [_kendalls(a, b) for a, b in zip(score, truth, strict=True)]
    found = {(site, "none"): (value, tau) for site, value, tau in zip(sites, values, taus, strict=True)}
    found[MEAN, "none"] = mean_over_sites(values), mean_over_sites(taus)
    whole = np.concatenate(truth, 1)
    for name, scale in scaled.items():
        found[ALL, name] = (
            correlate(guess.whole[name], known.whole["none"]),
            _kendalls(np.concatenate(scale(score), 1), whole),
        )
    return found


def _kendalls(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([kendall(a, b) for a, b in zip(first, second, strict=True)])
