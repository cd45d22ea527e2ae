"""Scores of criteria against the oracle, a point per map."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import LogLocator, NullFormatter

from pruning_oracle.reports.sections.section import CaseStudy, Section, number

MOST = 10  # panels: more would be too small to read


def section(study: CaseStudy) -> Section:
    """A panel for each of the best criteria: its score against oracle_abs, coloured by the depth of the site."""
    criteria = [name for name in study.criteria if name in study.maps][:MOST]
    columns = min(5, len(criteria))
    rows = -(-len(criteria) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(2.3 * columns, 2.2 * rows), sharey=True, squeeze=False)
    depth = study.maps.site.map({site: place for place, site in enumerate(study.sites)})
    colour = Normalize(0, max(1, len(study.sites) - 1))
    truth = study.maps.oracle_abs
    zeros = 0
    for panel, criterion in zip(panels.flat, criteria, strict=False):
        score = study.maps[criterion]
        shown = (truth > 0) & (score > 0)
        zeros = max(zeros, int((~shown).sum()))
        panel.scatter(
            score[shown],
            truth[shown],
            c=depth[shown],
            s=4,
            cmap="viridis",
            norm=colour,
            alpha=0.8,
            linewidths=0,
            rasterized=True,
        )
        panel.set(xscale="log", yscale="log")
        ranked = np.nan if score.nunique() < 2 else score.rank().corr(truth.rank())
        panel.set_title(f"{criterion}\n{number(ranked)} over all maps", fontsize=7)
        panel.tick_params(labelsize=6)
        panel.xaxis.set_major_locator(LogLocator(numticks=5))
        panel.xaxis.set_minor_formatter(NullFormatter())
        sns.despine(ax=panel)
    for panel in panels.flat[len(criteria) :]:
        panel.set_visible(False)
    figure.supylabel("oracle_abs, nats", fontsize=8)
    figure.supxlabel("score on shared examples, in the criterion's own unit", fontsize=8)
    bar = figure.colorbar(
        ScalarMappable(norm=colour, cmap="viridis"), ax=panels, fraction=0.02, ticks=[0, len(study.sites) - 1]
    )
    bar.ax.set_yticklabels([study.sites[0], study.sites[-1]], fontsize=6)
    caption = (
        f"Every map of the network, for the {len(criteria)} criteria that agree best on fresh examples: a score on shared"
        " examples against oracle_abs, both logarithmic; colour is the depth of the site. A criterion that is right within"
        " sites but not across them shows parallel streaks of one colour. Maps whose score or oracle is not positive are left"
        f" out of the picture (at most {zeros}), not of the number. Seed {study.runs[0].seed}; {study.said}."
    )
    return Section("scatter", "Score against oracle", caption, figure)
