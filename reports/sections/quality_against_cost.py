"""Agreement of criteria against their cost, beside the oracle itself on few examples."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment

from pruning_oracle.reports.agreement.cost import passes_of_criterion, passes_of_oracle
from pruning_oracle.reports.agreement.few_examples import control_examples, why_none
from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.sections.marks import legend, marked
from pruning_oracle.reports.sections.section import CaseStudy, Section

CONTROLS = " Red squares are the oracle on a few of the examples, measured by its engine."
RIGHT = 1.04  # where labels begin, as a fraction of the panel's width
FREE = 0.1  # forward passes; cheaper criteria are drawn at this cost, because the axis is logarithmic


def section(study: CaseStudy) -> Section:
    """A point per criterion, Spearman on fresh examples against forward passes; a line joins those no cheaper one beats."""
    rows = study.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
    quality = rows.groupby("criterion").spearman.median().dropna()
    cost = {name: max(FREE, passes_of_criterion(study.runs, name)) for name in quality.index}
    figure, panel = plt.subplots(figsize=(8.5, 1.2 + 0.13 * len(quality)))
    names = sorted(quality.index, key=lambda name: (cost[name], -quality[name]))
    best = -np.inf
    front = []
    for name in names:
        control = control_examples(name) is not None
        panel.plot(cost[name], quality[name], "s" if control else "o", ms=5, color="#b2182b" if control else "#2166ac")
        if quality[name] > best:
            best = quality[name]
            front.append(name)
    panel.step([cost[name] for name in front], [quality[name] for name in front], where="post", color="0.75", zorder=0)
    panel.axhline(rows.ceiling.median(), color="0.3", lw=1, ls="--")
    panel.axhline(0, color="0.8", lw=0.8, zorder=0)
    whole = float(np.median([passes_of_oracle(run) for run in study.runs]))
    panel.axvline(whole, color="#b2182b", lw=1, ls=":")
    panel.set(
        xscale="log",
        xlabel=f"cost, forward passes over {study.scored} examples",
        ylabel="Spearman with oracle_abs, fresh examples",
    )
    sns.despine(ax=panel)
    points = {name: (cost[name], quality[name]) for name in names}
    for name, height in _heights(panel, points).items():
        panel.annotate(
            marked(study, name),
            points[name],
            (RIGHT, height),
            textcoords="axes fraction",
            fontsize=6,
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.3, "color": "0.6", "relpos": (0, 0.5)},
        )
    caption = (
        f"Agreement per site on fresh examples against what the criterion costs alone on the {study.scored} examples scored:"
        " its evidence and its arithmetic, whether they take time once or for every example, in forward passes over as many"
        f" (less than {FREE} is drawn at {FREE}).{why_none(study.runs[0]) or CONTROLS} The"
        " dotted line is the whole oracle. The grey line joins what nothing cheaper beats; dashed is the noise"
        f" ceiling.{legend([study])} {study.said}."
    )
    return Section("price", "What a better guess costs", caption, figure)


def _heights(panel: Axes, points: dict[str, tuple[float, float]]) -> dict[str, float]:
    """How high each point's label stands on the right, as a fraction of the panel's height, so that no two lines cross.

    Of all ways to join points and labels the one whose lines are shortest in all has none that cross.
    """
    heights = 1 - (np.arange(len(points)) + 0.5) / len(points)
    labels = panel.transAxes.transform(np.column_stack([np.full(len(points), RIGHT), heights]))
    placed = panel.transData.transform(np.array(list(points.values())).reshape(-1, 2))
    _, chosen = linear_sum_assignment(np.linalg.norm(placed[:, None] - labels, axis=2))
    return dict(zip(points, heights[chosen].tolist(), strict=True))
