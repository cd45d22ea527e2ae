"""What pruning really costs: joint loss of the sets that criteria choose, with and without a repair, beside their agreement."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.agreement.correlation import kendall
from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.sections.section import CaseStudy, Section, number
from pruning_oracle.reports.sets.chosen import TRUTHS, WITHIN
from pruning_oracle.reports.sets.table import MeasuredTable

NAMED = ("oracle_abs", "oracle_mean_abs", "taylor", "gauss_newton", "weight_l2", "random")  # beside the cheapest
SHARE = 0.25  # at which choosers are ordered and compared with their agreement
OTHER = "0.82"  # grey


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Joint loss of sets within each site, median over seeds: a row per chooser and repair, a column per share.

    Choosers are ordered by what their sets cost without a repair at the share nearest to a quarter.
    """
    own = rows[rows.scope == WITHIN]
    table = own.pivot_table(index=["chooser", "repair"], columns="share", values="joint_loss", aggfunc="median")
    plain = table.xs("none", level="repair")
    order = plain[nearest(table)].sort_values(kind="stable").index
    return table.reindex(order, level="chooser")


def nearest(table: pd.DataFrame) -> float:
    """The share among the columns that is nearest to a quarter."""
    return min(map(float, table.columns), key=lambda share: abs(share - SHARE))


def repairs_in(table: pd.DataFrame) -> list[str]:
    """The repairs after which costs were taken."""
    return sorted(set(table.index.get_level_values("repair")) - {"none"})


def highlighted(table: pd.DataFrame) -> list[str]:
    """The choosers that stand out in the figure: the named ones that are there and the cheapest, in the table's order."""
    order = list(dict.fromkeys(table.index.get_level_values("chooser")))
    return [name for name in order if name in NAMED or name == order[0]]


def section(study: CaseStudy) -> Section | None:
    """A line per chooser, dashed after a repair, and a point per criterion: its agreement; None where no sets were measured."""
    if study.sets is None or not (study.sets.rows.scope == WITHIN).any():
        return None
    table = costs(study.sets.rows)
    agreement = study.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
    spearman = agreement.groupby("criterion").spearman.median().dropna()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), sharey=True, width_ratios=(1.25, 1))
    colours = dict(zip(highlighted(table), sns.color_palette("colorblind", len(NAMED) + 1), strict=False))
    _lines(left, table, colours)
    _points(right, table, spearman, colours)
    right.axvline(agreement.ceiling.median(), color="0.3", lw=0.8, ls=":")
    title = "What pruning really costs, and what a repair gives back"
    shown = _shown(study.sets, table, spearman)
    return Section("joint-loss", title, _caption(study.sets, table, spearman), figure, shown)


def _lines(panel: Axes, table: pd.DataFrame, colours: dict[str, Any]) -> None:
    """Joint loss against the share removed."""
    shares = list(table.columns)
    for (chooser, repair), row in zip(table.index.to_list(), table.to_numpy(), strict=True):
        if chooser in colours:
            panel.plot(shares, row, "o-" if repair == "none" else "o--", color=colours[chooser], lw=1.6, ms=3, zorder=3)
        elif repair == "none":
            panel.plot(shares, row, color=OTHER, lw=0.7, zorder=1)
    panel.set(xlabel="maps removed, of each site", ylabel="joint loss, nats", xticks=shares)
    panel.set_xticklabels([f"{share:.0%}" for share in shares])
    values = table.to_numpy()
    if np.nanmin(values) > 0:
        panel.set_yscale("log")
    else:
        panel.set_yscale("symlog", linthresh=max(float(np.nanmax(values)) / 100, 1e-3))
        panel.axhline(0, color="0.8", lw=0.8, zorder=0)
    sns.despine(ax=panel)


def _points(panel: Axes, table: pd.DataFrame, spearman: pd.Series, colours: dict[str, Any]) -> None:
    """Joint loss at a quarter against the agreement of single maps; what the oracle's own reductions choose, as lines."""
    share = nearest(table)
    for (chooser, repair), cost in zip(table.index.to_list(), table[share].to_numpy(), strict=True):
        colour, whole = colours.get(chooser, OTHER), repair == "none"
        if chooser in TRUTHS and chooser in colours:
            panel.axhline(cost, color=colour, lw=1, ls="-" if whole else "--", zorder=0)
        elif chooser in spearman.index:
            size, above = (6, 3) if chooser in colours else (3, 1)
            face = colour if whole else "white"
            panel.plot(spearman[chooser], cost, "o", color=colour, ms=size, mfc=face, zorder=above)
    panel.set(xlabel="Spearman of single maps", title=f"{share:.0%} removed")
    handles = [Line2D([], [], color=colour, marker="o", ms=4, label=one_line(name)) for name, colour in colours.items()]
    handles += [Line2D([], [], color=OTHER, marker="o", ms=3, label="other criteria")]
    look: dict[str, Any] = {"color": "0.3", "ls": "--", "marker": "o", "ms": 4, "mfc": "white"}
    handles += [Line2D([], [], **look, label=f"after {one_line(name)}") for name in repairs_in(table)]
    panel.legend(handles=handles, frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=panel)


def _shown(sets: MeasuredTable, table: pd.DataFrame, spearman: pd.Series) -> pd.DataFrame:
    """A row per chooser, cheapest first: agreement, and joint loss for every share and repair, with its spread."""
    within = sets.rows[sets.rows.scope == WITHIN]
    shown = []
    for chooser in dict.fromkeys(table.index.get_level_values("chooser")):
        row = {"chosen by": chooser, "Spearman of single maps": number(spearman[chooser]) if chooser in spearman.index else "—"}
        for (repair, share), own in within[within.chooser == chooser].groupby(["repair", "share"], sort=False):
            row[f"{share:.0%}" + ("" if repair == "none" else f", {repair}")] = _spread(own)
        shown.append(row)
    return pd.DataFrame(shown).fillna("—")


def _spread(rows: pd.DataFrame) -> str:
    """A joint loss as text: median with range over seeds; of a single seed with its interval over examples."""
    if len(rows) == 1:
        row = rows.iloc[0]
        return _nats(f"{row.joint_loss:.3f} [{row.low:.3f}, {row.high:.3f}]")
    return _nats(f"{rows.joint_loss.median():.3f} ({rows.joint_loss.min():.3f} to {rows.joint_loss.max():.3f})")


def _nats(text: str) -> str:
    return text.replace("-", "−")


def foretold(table: pd.DataFrame, spearman: pd.Series) -> str:
    """Kendall's τ over criteria of their agreement with what their sets cost, without and after a repair, as a sentence."""
    found, share = [], nearest(table)
    for repair in ("none", *repairs_in(table)):
        own = table.xs(repair, level="repair")[share]
        names = [name for name in own.dropna().index if name in spearman.index]
        after = "" if repair == "none" else f" after the repair {repair}"
        found.append(f"{number(kendall(spearman[names].to_numpy(), own[names].to_numpy()))}{after} ({len(names)} criteria)")
    return f" Kendall's τ of that agreement with the cost is {', '.join(found)}; −1 would foretell it."


def _caption(sets: MeasuredTable, table: pd.DataFrame, spearman: pd.Series) -> str:
    facts, seeds = sets.facts[0], len(sets.facts)
    repairs = {of["repair"]: of["repair examples"] for of in sets.facts if "repair" in of}
    mended = "".join(
        f" Dashed and hollow: after the repair {name}, from {count} other training examples, without learning."
        for name, count in repairs.items()
    )
    spread = "median over seeds, in the table with range" if seeds > 1 else "in the table with a 95 % interval over examples"
    return (
        "Left: the lowest maps of each site go together, as every criterion scores them on fresh examples and as the oracle's"
        f" own matrix does; what that costs, {spread}. Lower is better. Right: what the sets cost against how well the same"
        " criterion ranks single maps as oracle_abs does, on fresh examples; lines across are the sets of the oracle's own"
        f" reductions, the dotted line is the noise ceiling of the agreement.{foretold(table, spearman)}{mended}"
        f" n = {int(sets.rows.n.iloc[0])} training examples that neither oracle nor criteria saw,"
        f" {seeds} seed{'' if seeds == 1 else 's'}; {facts['precision']} on {facts['device']},"
        f" {facts['threads']} thread{'' if facts['threads'] == 1 else 's'}, commit {facts['commit'][:12]}."
    )
