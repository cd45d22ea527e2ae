"""The pictures of results: figures that belong to nobody's screen, which a notebook shows once and `savefig` writes."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.sections import overview
from pruning_oracle.reports.sections.section import CaseStudy

COLUMNS = 4  # panels side by side
MOST = 40  # panels in all: the sites with the costliest maps


def truth(maps: pd.DataFrame, caption: str) -> Figure:
    """Mean change in loss of every map with its interval, sorted, a panel per site in the network's order."""
    worst = maps.groupby("site", sort=False).oracle_loss.max()
    sites = [site for site in worst.index if worst[site] >= worst.nlargest(MOST).min()][:MOST]
    columns = min(COLUMNS, len(sites))
    rows = -(-len(sites) // columns)
    figure = Figure(figsize=(2.6 * columns, 0.8 + 1.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for panel, site in zip(panels.flat, sites, strict=False):
        own = maps[maps.site == site].sort_values("oracle_loss").reset_index(drop=True)
        panel.fill_between(own.index, own.oracle_loss_low, own.oracle_loss_high, color="#92c5de", lw=0, step="mid")
        panel.plot(own.index, own.oracle_loss, color="#2166ac", lw=1.2, drawstyle="steps-mid")
        panel.axhline(0, color="0.6", lw=0.8)
        panel.set_title(one_line(site), fontsize=8)
        panel.set_yscale("symlog", linthresh=max(1e-4, float(maps.oracle_loss.abs().median())))
        panel.tick_params(labelsize=7)
        sns.despine(ax=panel)
    for panel in panels.flat[len(sites) :]:
        panel.set_visible(False)
    figure.supylabel("change in loss, nats", fontsize=8)
    figure.supxlabel(f"maps of a site, sorted; band: 95 % interval over examples\n{one_line(caption)}", fontsize=7)
    return figure


def guesses(scores: pd.DataFrame, criteria: list[str], caption: str) -> Figure:
    """Which criteria rank maps alike: Spearman within sites, a mean over sites; grey is undefined."""
    grids = [own[criteria].corr("spearman").to_numpy() for _, own in scores.groupby("site", sort=False) if len(own) > 2]
    size = 2.4 + 0.26 * len(criteria)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    panel = figure.subplots()
    with np.errstate(invalid="ignore"):
        defined = np.isfinite(np.array(grids)).sum(0) if grids else np.zeros((len(criteria), len(criteria)))
        total = np.nansum(grids, axis=0) if grids else defined
        mean = pd.DataFrame(np.where(defined > 0, total / np.maximum(defined, 1), np.nan), index=criteria, columns=criteria)
    sns.heatmap(mean, ax=panel, vmin=-1, vmax=1, cmap="RdBu", square=True, cbar_kws={"label": "Spearman", "shrink": 0.6})
    panel.set_facecolor("0.85")
    panel.tick_params(labelsize=7)
    figure.supxlabel(one_line(caption), fontsize=6)
    return figure


def agreement(study: CaseStudy) -> Figure:
    """Spearman within sites of every criterion, on fresh and on shared examples, beside the noise ceiling."""
    with plt.rc_context({"figure.constrained_layout.use": True}):
        figure = overview.section([study]).figure
    assert figure is not None
    plt.close(figure)  # otherwise a notebook would show it twice
    return figure


def steps(rows: pd.DataFrame, caption: str) -> Figure:
    """Accuracy (where it is undefined, loss) against the share of maps and of FLOPs that is left."""
    judge = "test_loss" if rows.test_accuracy.isna().all() else "test_accuracy"
    figure = Figure(figsize=(7, 3), layout="constrained")
    for panel, quantity in zip(figure.subplots(1, 2, sharey=True), ("maps", "flops"), strict=True):
        panel.plot(rows[quantity] / rows[quantity].iloc[0], rows[judge], marker=".", ms=4, lw=1, color="#2166ac")
        panel.set(xlabel=f"share of {quantity} left", ylabel=judge.replace("_", " ") if quantity == "maps" else "")
        panel.invert_xaxis()
        sns.despine(ax=panel)
    figure.supxlabel(one_line(caption), fontsize=6)
    return figure
