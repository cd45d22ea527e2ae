"""Agreement of every criterion at every site, as a heat map."""

import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.sections.marks import legend, marked
from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A heat map, criterion × site, of the Spearman with oracle_abs, on fresh and on shared examples."""
    sites, criteria = study.sites, study.criteria
    width = min(0.42 * len(sites), 14)
    figure, panels = plt.subplots(1, 2, figsize=(3.4 + 2 * width, 1.6 + 0.2 * len(criteria)), sharey=True)
    for panel, examples in zip(panels, ("fresh", "shared"), strict=True):
        rows = study.agreement.query("oracle == 'oracle_abs' and examples == @examples and scope in @sites")
        grid = rows.groupby(["criterion", "scope"]).spearman.median().unstack().reindex(index=criteria, columns=sites)
        ceiling = rows.groupby("scope").ceiling.median().reindex(sites)
        grid.loc["noise ceiling"] = ceiling
        grid.index = [marked(study, name) for name in grid.index]
        sns.heatmap(
            grid,
            ax=panel,
            vmin=-1,
            vmax=1,
            cmap="RdBu",
            annot=len(sites) <= 30,
            fmt=".2f",
            annot_kws={"size": 6},
            linewidths=0.5,
            cbar=examples == "shared",
            cbar_kws={"label": "Spearman"},
        )
        panel.set(title=f"{examples} examples", xlabel="", ylabel="")
        panel.set_facecolor("0.85")
        panel.tick_params(labelsize=7)
    caption = (
        "Spearman with oracle_abs at every site, in the network's order, median over seeds; grey cells are undefined (a"
        f" constant ranking, or fewer than three maps).{legend([study])} {study.said}."
    )
    return Section("heat-map", "Where each criterion works", caption, figure)
