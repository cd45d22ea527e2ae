"""Which criteria agree best with the oracle, over all cases: the first figure of the report."""

import math

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.sections.marks import legend, marked
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.summaries import random_range

COLOURS = {"fresh": "#b2182b", "shared": "#2166ac"}


def section(studies: list[CaseStudy]) -> Section:
    """A panel per case: mean over sites of the within-site Spearman of every criterion, on shared and on fresh examples."""
    height = 1.2 + 0.2 * max(len(study.criteria) for study in studies)
    figure, panels = plt.subplots(1, len(studies), figsize=(1.6 + 3.8 * len(studies), height), sharex=True, squeeze=False)
    ranked = _order(studies)
    for panel, study in zip(panels[0], studies, strict=True):
        rows = study.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs'")
        order = [name for name in ranked if name in study.criteria]
        for examples, offset in (("fresh", 0.16), ("shared", -0.16)):
            chosen = rows[rows.examples == examples]
            for place, criterion in enumerate(order):
                found = chosen[chosen.criterion == criterion]
                for row in found.itertuples():
                    panel.plot([row.low, row.high], [place + offset] * 2, color=COLOURS[examples], lw=1, alpha=0.6)
                panel.plot(found.spearman, [place + offset] * len(found), "o", ms=3, color=COLOURS[examples], alpha=0.5)
                panel.plot(found.spearman.median(), place + offset, "D", ms=5, color=COLOURS[examples])
        band = random_range(study)
        if not math.isnan(band):
            panel.axvspan(-band, band, color="0.92", zorder=0)
        panel.axvline(0, color="0.7", lw=0.8, zorder=0)
        panel.axvline(rows.ceiling.median(), color="0.3", lw=1, ls="--", zorder=0)
        panel.set(
            title=study.case,
            yticks=range(len(order)),
            yticklabels=[marked(study, name) for name in order],
            ylim=(len(order) - 0.5, -0.5),
            xlabel="Spearman",
        )
        panel.tick_params(axis="y", labelsize=7)
        sns.despine(ax=panel)
    marks: list[Artist] = [
        Line2D([], [], color=colour, marker="D", ls="", label=f"{name} examples") for name, colour in COLOURS.items()
    ]
    marks.append(Line2D([], [], color="0.3", ls="--", label="noise ceiling"))
    marks.append(Rectangle((0, 0), 1, 1, color="0.92", label="95 % of random rankings"))
    figure.legend(handles=marks, loc="outside lower center", ncols=4 if len(studies) > 1 else 2, frameon=False)
    caption = (
        "Agreement with oracle_abs: Spearman within each site, averaged over sites. Diamonds are medians over seeds, dots"
        " single seeds, lines 95 % intervals over examples. Fresh: the criterion was scored on examples that the oracle never"
        " saw; shared: on the oracle's own, as in the paper. Criteria stand in the same order everywhere: by their"
        " agreement on fresh examples, averaged over networks. "
        + " ".join(f"{study.case}: {study.said}." for study in studies)
        + legend(studies)
    )
    return Section("overview", "Which criterion knows what a map is worth?", caption, figure)


def _order(studies: list[CaseStudy]) -> list[str]:
    """Criteria by their agreement on fresh examples, median over seeds and mean over networks, best first."""
    rows = pd.concat([study.agreement for study in studies])
    rows = rows.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
    means = rows.groupby(["criterion", "case"]).spearman.median().groupby("criterion").mean().fillna(-2)
    return sorted(means.index, key=lambda name: (-means[name].round(9), name))
