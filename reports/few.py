"""The oracle on few examples, as a control: what a criterion must beat at equal cost.

It is taken from the measured oracle. On `fresh` examples it is compared with the oracle of the examples that it did not
see, on `shared` ones with that of all; both are means over random draws, and the interval holds 95 % of the draws.
"""

from typing import Any

import numpy as np
import pandas as pd

from reports.agreement import ALL, MEAN, ORACLES, SCALINGS, Scores, ceilings, correlate, kendall, mean_over_sites, ranks
from reports.read import EXAMPLES, Run

COUNTS = (4, 16, 64)
DRAWS = 10


def name_of(count: int) -> str:
    """How the control is called in tables."""
    return f"oracle of {count} examples"


def count_of(name: str) -> int | None:
    """How many examples a control of that name has; None if it is none."""
    return next((count for count in COUNTS if name_of(count) == name), None)


def grade(run: Run) -> pd.DataFrame:
    """Rows as `agreement.grade` gives them, one control per number of examples that is at most half of the oracle's."""
    changes = [run.change(site) for site in run.sites]
    examples = len(changes[0])
    rows: list[dict[str, Any]] = []
    for oracle, reduction in ORACLES.items():
        ceiling = ceilings(run.sites, changes, reduction, run.seed)
        for count in (count for count in COUNTS if count <= examples // 2):
            random = np.random.default_rng([run.seed, count])
            drawn: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
            for _ in range(DRAWS):
                order = random.permutation(examples)
                score = [reduction(change[order[:count]]) for change in changes]
                truths = [change if kind == "shared" else change[order[count:]] for kind in EXAMPLES for change in changes]
                for place, kind in enumerate(EXAMPLES):
                    truth = [reduction(change) for change in truths[place * len(changes) : (place + 1) * len(changes)]]
                    for (scope, scaling), pair in _agreements(run.sites, score, truth).items():
                        drawn.setdefault((kind, scope, scaling), []).append(pair)
            for (kind, scope, scaling), pairs in drawn.items():
                values = np.array(pairs)
                low, high = np.quantile(values[:, 0], [0.025, 0.975])
                head = {"criterion": name_of(count), "scope": scope, "scaling": scaling, "oracle": oracle, "examples": kind}
                means = {"spearman": values[:, 0].mean(), "kendall": values[:, 1].mean(), "low": low, "high": high}
                rows.append(head | means | {"ceiling": ceiling[scope], "maps": _maps(run, scope), "n": examples})
    table = pd.DataFrame(rows)
    table.insert(0, "seed", run.seed)
    table.insert(0, "case", run.case)
    return table


def _maps(run: Run, scope: str) -> int:
    sizes = {site: run.change(site).shape[1] for site in run.sites}
    return sizes.get(scope, sum(sizes.values()))


def _agreements(sites: list[str], score: Scores, truth: Scores) -> dict[tuple[str, str], tuple[float, float]]:
    """Spearman and Kendall at every site and in both summaries."""
    guess, known = ranks(score), ranks(truth)
    values = [float(correlate(a, b)) for a, b in zip(guess.sites, known.sites, strict=True)]
    taus = [kendall(a, b) for a, b in zip(score, truth, strict=True)]
    found = {(site, "none"): (value, tau) for site, value, tau in zip(sites, values, taus, strict=True)}
    means = [float(mean_over_sites([np.array(value) for value in some])) for some in (values, taus)]
    found[MEAN, "none"] = means[0], means[1]
    whole = np.concatenate(truth)
    for name, scale in SCALINGS.items():
        tau = kendall(np.concatenate(scale(score)), whole)
        found[ALL, name] = float(correlate(guess.whole[name], known.whole["none"])), tau
    return found
