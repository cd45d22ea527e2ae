"""The pictures of results: figures that belong to nobody's screen, which a notebook shows once and `savefig` writes."""

import functools
import math
import textwrap
from collections.abc import Callable
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, PercentFormatter

from pruning_oracle.bench.scores import Scores
from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.sections import overview
from pruning_oracle.reports.sections.alike import likeness
from pruning_oracle.reports.sections.section import CaseStudy
from pruning_oracle.reports.sets.sensitivity import CHOOSERS

COLUMNS = 4  # panels side by side
MOST = 40  # panels in all: the sites with the costliest maps
ANNOTATED = 12  # criteria: of more, numbers in cells would be too small to read
STYLE = {"figure.constrained_layout.use": True, "text.parse_math": False}  # a name from data may hold anything
COLOURED = 8  # choosers: of more, only the usual ones
LETTERS = 20  # of a caption in an inch of a figure's width


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws in the style of the reports, whatever style its caller has set."""

    @functools.wraps(draw)
    def drawn(*given: Any) -> Figure:
        with plt.rc_context(), sns.axes_style("ticks"), sns.plotting_context("paper"), plt.rc_context(STYLE):
            return draw(*given)

    return drawn


def captioned(figure: Figure, *lines: str) -> Figure:
    """The figure with lines below it, broken where they would be wider than it is."""
    width = int(LETTERS * figure.get_figwidth())
    figure.supxlabel("\n".join(textwrap.fill(one_line(line), width) for line in lines), fontsize=6.5)
    return figure


@styled
def truth(maps: pd.DataFrame, caption: str) -> Figure:
    """Mean change in loss of every map with its interval, sorted, a panel per site in the network's order."""
    worst = maps.groupby("site", sort=False).oracle_loss.max()
    sites = [site for site in worst.index if worst[site] >= worst.nlargest(MOST).min()][:MOST]
    figure, panels = _panels(len(sites))
    for panel, site in zip(panels, sites, strict=True):
        own = maps[maps.site == site].sort_values("oracle_loss").reset_index(drop=True)
        panel.fill_between(own.index, own.oracle_loss_low, own.oracle_loss_high, color="#92c5de", lw=0, step="mid")
        panel.plot(own.index, own.oracle_loss, color="#2166ac", lw=1.2, drawstyle="steps-mid")
        panel.axhline(0, color="0.6", lw=0.8, zorder=0)
        panel.set_title(one_line(site), fontsize=8)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    _symmetric_log(panels, maps.oracle_loss)
    figure.supylabel("change in loss, nats", fontsize=8)
    shown = "" if len(sites) == len(worst) else f"the {len(sites)} of {len(worst)} sites with the costliest maps; "
    return captioned(figure, f"maps of each site, sorted; {shown}band: 95 % interval over examples", caption)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, whose heights mean the same."""
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(4.5, 2.4 * columns), 0.8 + 1.4 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for panel in panels:
        panel.tick_params(labelsize=7)
        sns.despine(ax=panel)
    for panel in panels[count:]:
        panel.set_visible(False)
    return figure, panels[:count]


def _symmetric_log(panels: list[Axes], values: "pd.Series[float]", share: float = 0.5) -> None:
    """Heights that are logarithmic on both sides of 0, and linear about 0 where that share of the values is."""
    middle = 10.0 ** math.ceil(math.log10(max(1e-6, float(values.abs().quantile(share)))))
    high = math.ceil(math.log10(max(10 * middle, float(values.abs().max()))))
    ticks = [10.0**power for power in range(round(math.log10(middle)), high + 1)]
    for panel in panels:
        panel.set_yscale("symlog", linthresh=middle)
        panel.yaxis.set_major_locator(FixedLocator([-ticks[0], 0, *ticks]))
        panel.yaxis.set_minor_locator(FixedLocator([]))
        panel.yaxis.set_major_formatter("{x:g}")


@styled
def layer_sensitivity(rows: pd.DataFrame, caption: str) -> Figure:
    """Joint loss against the share of a site's maps removed, a panel per site, a line per chooser with its interval.

    Of many choosers the usual ones have colours and intervals; the others are grey.
    """
    worst = rows.groupby("site", sort=False).joint_loss.max()
    sites = [site for site in worst.index if worst[site] >= worst.nlargest(MOST).min()][:MOST]
    choosers = rows.chooser.unique()
    named = [name for name in choosers if len(choosers) <= COLOURED or name in CHOOSERS]
    colours = dict(zip(named, sns.color_palette("colorblind", len(named)), strict=True))
    figure, panels = _panels(len(sites))
    for panel, site in zip(panels, sites, strict=True):
        for _, own in rows[(rows.site == site) & ~rows.chooser.isin(named)].groupby("chooser"):
            panel.plot(own.share, own.joint_loss, color="0.8", lw=0.5, zorder=1)
        for chooser, colour in colours.items():
            own = rows[(rows.site == site) & (rows.chooser == chooser)]
            panel.fill_between(own.share, own.low, own.high, color=colour, alpha=0.2, lw=0)
            panel.plot(own.share, own.joint_loss, color=colour, lw=1.2, marker=".", ms=3)
        panel.axhline(0, color="0.6", lw=0.8, zorder=0)
        panel.set_title(one_line(site), fontsize=8)
        panel.set(xlim=(0, 1), xticks=(0, 0.5, 1))
        panel.xaxis.set_major_formatter(PercentFormatter(1))
    _symmetric_log(panels, rows.joint_loss, 0.1)
    handles = [Line2D([], [], color=colour, marker=".", label=one_line(name)) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(COLUMNS, len(handles)), frameon=False, fontsize=8)
    figure.supylabel("joint loss, nats", fontsize=8)
    shown = "" if len(sites) == len(worst) else f"; the {len(sites)} of {len(worst)} costliest sites"
    shown += "" if len(named) == len(choosers) else f"; grey: {len(choosers) - len(named)} other choosers"
    return captioned(figure, f"share of the site's maps removed{shown}; bands: 95 % intervals over examples", caption)


@styled
def guesses(scores: dict[str, Scores], caption: str) -> Figure:
    """Which criteria rank maps alike: Spearman within sites, a mean over sites; grey is undefined."""
    criteria = list(scores)
    size = 2.4 + 0.3 * len(criteria)
    figure = Figure(figsize=(size + 1.2, size), layout="constrained")
    panel = figure.subplots()
    frame = pd.DataFrame(likeness(list(scores.values())), index=criteria, columns=criteria)
    how = {"vmin": -1, "vmax": 1, "cmap": "RdBu", "square": True, "annot": len(criteria) <= ANNOTATED, "fmt": ".2f"}
    sns.heatmap(frame, ax=panel, **how, annot_kws={"size": 7}, cbar_kws={"label": "Spearman", "shrink": 0.6})
    panel.set_facecolor("0.85")
    panel.tick_params(labelsize=7)
    return captioned(figure, "Spearman of two criteria's scores within each site, a mean over sites, fresh examples", caption)


@styled
def agreement(study: CaseStudy, caption: str) -> Figure:
    """Spearman within sites of every criterion, on fresh and on shared examples, beside the noise ceiling."""
    figure = overview.section([study]).figure
    assert figure is not None
    plt.close(figure)  # otherwise a notebook would show it twice
    figure.suptitle(textwrap.fill(one_line(caption), int(LETTERS * figure.get_figwidth())), fontsize=6.5)  # a legend is below
    return figure


@styled
def steps(rows: pd.DataFrame, caption: str) -> Figure:
    """Accuracy (where it is undefined, loss) against the share of maps and of FLOPs that is left."""
    judge = "test_loss" if rows.test_accuracy.isna().all() else "test_accuracy"
    figure = Figure(figsize=(6.5, 2.8), layout="constrained")
    for panel, quantity in zip(figure.subplots(1, 2, sharey=True), ("maps", "flops"), strict=True):
        panel.plot(rows[quantity] / rows[quantity].iloc[0], rows[judge], marker=".", ms=5, lw=1, color="#2166ac")
        panel.set(xlabel=f"share of {quantity} left", ylabel=judge.replace("_", " ") if quantity == "maps" else "")
        panel.invert_xaxis()
        sns.despine(ax=panel)
    if judge == "test_accuracy":
        panel.set_ylim(max(0.0, rows[judge].min() - 0.05), 1.01)
    return captioned(figure, caption)


@styled
def interactions(magnitude: pd.DataFrame, signed: pd.DataFrame, caption: str) -> Figure:
    """Interactions of pairs of maps, site by site: their mean magnitude, and their mean, over pairs; grey is undrawn."""
    size = 1.6 + 0.3 * len(magnitude)
    figure = Figure(figsize=(2 * size + 2, size + 1), layout="constrained")
    ways: list[dict[str, Any]] = [{"vmin": 0, "cmap": "Blues"}, {"center": 0, "cmap": "RdBu_r"}]
    for panel, grid, way, title in zip(
        figure.subplots(1, 2), (magnitude, signed), ways, ("mean magnitude", "mean"), strict=True
    ):
        names = [one_line(name) for name in grid.index]
        sns.heatmap(
            grid, ax=panel, square=True, xticklabels=names, yticklabels=names, cbar_kws={"label": "nats", "shrink": 0.6}, **way
        )
        panel.set(title=title, xlabel="", ylabel="")
        panel.set_facecolor("0.85")
        panel.tick_params(labelsize=7)
    return captioned(figure, "interaction: joint loss of two maps less the sum of theirs alone, a mean over pairs", caption)
