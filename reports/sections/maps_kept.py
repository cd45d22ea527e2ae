"""How many of its maps each site keeps after pruning."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.inputs.pruning_runs import PruningStudy
from pruning_oracle.reports.sections.section import Section


def section(pruned: PruningStudy) -> Section:
    """A heat map, run name × site, of the share of the site's maps that is left at the end, median over seeds."""
    files = next(iter(pruned.runs.values()))
    sites = files[0].facts["sites"]
    shares = []
    for name in pruned.runs:
        ends = [np.array(rows[-1]["sites"]) / np.array(rows[0]["sites"]) for rows in pruned.rows(name)]
        shares.append(np.median(ends, 0))
    figure, panel = plt.subplots(figsize=(1.8 + 0.55 * len(sites), 1.2 + 0.32 * len(shares)))
    sns.heatmap(
        np.array(shares),
        vmin=0,
        vmax=1,
        cmap="viridis",
        annot=True,
        fmt=".0%",
        annot_kws={"fontsize": 7},
        xticklabels=sites,
        yticklabels=list(pruned.runs),
        cbar=False,
        ax=panel,
    )
    panel.tick_params(axis="x", rotation=45)
    plt.setp(panel.get_xticklabels(), ha="right", rotation_mode="anchor")
    panel.tick_params(axis="y", rotation=0)
    caption = f"Share of each site's maps that is left at the end of every run, from the input to the output. {pruned.said}."
    return Section("left", "Where maps are left", caption, figure)
