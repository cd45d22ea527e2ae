"""The oracle itself: the change in loss per map, sorted, per site."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A panel per site: the changes in loss of its maps, sorted, with their 95 % intervals, for the first seed."""
    sites = study.sites
    columns = min(5, len(sites))
    rows = -(-len(sites) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(2.4 * columns, 1.75 * rows), sharey=True, squeeze=False)
    scale = float(study.maps.oracle_abs.quantile(0.25)) or 1e-6
    for panel, site in zip(panels.flat, sites, strict=False):
        part = study.maps[study.maps.site == site].sort_values("oracle_loss", ascending=False)
        place = np.arange(len(part))
        panel.fill_between(place, part.oracle_loss_low, part.oracle_loss_high, color="#2166ac", alpha=0.25, lw=0)
        panel.plot(place, part.oracle_loss, color="#2166ac", lw=1.2)
        panel.axhline(0, color="0.6", lw=0.6)
        panel.set_yscale("symlog", linthresh=scale)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.set_title(f"{site} ({len(part)})", fontsize=7)
        panel.tick_params(labelsize=6)
        sns.despine(ax=panel)
    for panel in panels.flat[len(sites) :]:
        panel.set_visible(False)
    figure.supylabel("change in loss when removed, nats", fontsize=8)
    figure.supxlabel("maps, most important first", fontsize=8)
    caption = (
        "oracle_loss of every map, sorted within its site, with its 95 % bootstrap interval over examples. Below the line, the"
        f" training loss falls when the map is removed. The scale is linear within ±{scale:.1g} nats and logarithmic beyond."
        f" Seed {study.runs[0].seed}; {study.said}."
    )
    return Section("loss-change", "What removing each map costs", caption, figure)
