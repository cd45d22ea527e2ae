"""Agreement of criteria against their cost, beside the oracle itself on few examples."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.agreement.cost import passes_of_criterion, passes_of_oracle
from pruning_oracle.reports.agreement.few_examples import control_examples, why_none
from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.sections.marks import legend, marked
from pruning_oracle.reports.sections.section import CaseStudy, Section

CONTROLS = " Red squares are the oracle on a few of the examples, measured by its engine."
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
    for place, name in enumerate(sorted(names, key=lambda name: -quality[name])):
        panel.annotate(
            marked(study, name),
            (cost[name], quality[name]),
            (1.04, 1 - (place + 0.5) / len(names)),
            textcoords="axes fraction",
            fontsize=6,
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.3, "color": "0.6", "relpos": (0, 0.5)},
        )
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
    caption = (
        f"Agreement per site on fresh examples against what the criterion costs alone on the {study.scored} examples scored:"
        " its evidence and its arithmetic, whether they take time once or for every example, in forward passes over as many"
        f" (less than {FREE} is drawn at {FREE}).{why_none(study.runs[0]) or CONTROLS} The"
        " dotted line is the whole oracle. The grey line joins what nothing cheaper beats; dashed is the noise"
        f" ceiling.{legend([study])} {study.said}."
    )
    return Section("price", "What a better guess costs", caption, figure)
