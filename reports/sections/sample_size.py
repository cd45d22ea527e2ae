"""Agreement against the number of examples, of the best criteria and of the oracle itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.bench.scores import ORACLES, Scores
from pruning_oracle.reports.agreement.correlation import correlate, mean_over_sites, standard_ranks
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sections.section import CaseStudy, Section

MOST = 8  # criteria: more lines cannot be told apart
DRAWS = 10


def section(study: CaseStudy) -> Section:
    """A line for each of the best criteria that answer per example, and one for the oracle if it was measured."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for name in (name for name in study.criteria if _per_example(study.runs[0], name)):
        found = agreement_curve(study, name)
        if len(curves) == MOST:
            break
        if not any(found[0] == known[0] and np.allclose(found[1], known[1]) for known in curves.values()):
            curves[name] = found  # of criteria that rank alike, one is drawn
    figure, panel = plt.subplots(figsize=(7, 4.4))
    for (name, (counts, values)), colour in zip(curves.items(), sns.color_palette("colorblind", len(curves)), strict=True):
        panel.plot(counts, values, "-o", ms=3, lw=1.2, color=colour, label=name)
    if not study.runs[0].estimated:  # estimated changes depend on all examples, so a part of them is no oracle
        counts, values = oracle_curve(study)
        panel.plot(counts, values, "-s", ms=4, lw=1.6, color="black", label="the oracle itself")
    panel.set(xscale="log", xlabel="examples", ylabel="Spearman with oracle_abs, per site")
    panel.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=panel)
    caption = (
        f"Agreement per site with oracle_abs of scores from so many fresh examples, a mean over {DRAWS} random draws, median"
        f" over seeds; the {len(curves)} best criteria that speak of single examples, one of those that rank alike. The oracle"
        " itself, where it was measured whole, is compared on so many of its examples with the oracle of the others."
        f" {study.said}."
    )
    return Section("sample-size", "How many examples a guess needs", caption, figure)


def _per_example(run: Run, name: str) -> bool:
    return name in run.criteria.facts["criteria"] and len(run.saliency(name, run.sites[0], "fresh")) > 1


def sizes(examples: int) -> list[int]:
    """The powers of two from 4 up to below `examples`, and `examples` itself."""
    return [2**power for power in range(2, 20) if 2**power < examples] + [examples]


def agreement_curve(study: CaseStudy, name: str) -> tuple[list[int], list[float]]:
    """Numbers of fresh examples, and a criterion's agreement with the oracle when scored on so many, median over seeds."""
    counts = sizes(min(len(run.saliency(name, run.sites[0], "fresh")) for run in study.runs))
    found = []
    for run in study.runs:
        truth = [standard_ranks(ORACLES["oracle_abs"](run.change(site))) for site in run.sites]
        matrices, reduction = [run.saliency(name, site, "fresh") for site in run.sites], run.reduction(name)
        random, values = np.random.default_rng([run.seed, 3]), []
        for n in counts:
            draws = [random.permutation(len(matrices[0]))[:n] for _ in range(DRAWS)]
            values.append(_mean(ranks_of_draws(reduction, matrices, draws), truth))
        found.append(values)
    return counts, [float(value) for value in np.median(found, axis=0)]


def oracle_curve(study: CaseStudy) -> tuple[list[int], list[float]]:
    """Numbers of examples up to half of the oracle's, and the agreement of the oracle on so many with that on all others."""
    counts = sizes(min(run.oracle.facts["examples"] for run in study.runs) // 2)
    found = []
    for run in study.runs:
        changes, reduction = [run.change(site) for site in run.sites], ORACLES["oracle_abs"]
        random, values = np.random.default_rng([run.seed, 4]), []
        for n in counts:
            orders = [random.permutation(len(changes[0])) for _ in range(DRAWS)]
            some, others = [order[:n] for order in orders], [order[n:] for order in orders]
            values.append(_mean(ranks_of_draws(reduction, changes, some), ranks_of_draws(reduction, changes, others)))
        found.append(values)
    return counts, [float(value) for value in np.median(found, axis=0)]


def ranks_of_draws(reduction: Any, matrices: Scores, draws: Sequence[np.ndarray | slice]) -> Scores:
    """Standard ranks `[draw, map]` of every site's scores, each draw from its own examples; `draws` index the examples."""
    return [standard_ranks(np.stack([reduction(matrix[part]) for part in draws])) for matrix in matrices]


def _mean(scores: Scores, truth: Scores) -> float:
    """The within-site agreement, averaged over sites and then over draws."""
    values = mean_over_sites([correlate(a, b) for a, b in zip(scores, truth, strict=True)])
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
