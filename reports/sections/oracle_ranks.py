"""Where in the network the important maps are: the spread of oracle ranks per site."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A box plot per site of its maps' ranks by oracle_abs among all maps of the network, all seeds together."""
    parts = []
    for run in study.runs:
        scores = [pd.DataFrame({"site": site, "score": ORACLES["oracle_abs"](run.change(site))}) for site in run.sites]
        whole = pd.concat(scores, ignore_index=True)
        parts.append(whole.assign(rank=whole.score.rank(ascending=False)))
    ranks = pd.concat(parts, ignore_index=True)
    figure, panel = plt.subplots(figsize=(8, 0.9 + 0.26 * len(study.sites)))
    sns.boxplot(ranks, x="rank", y="site", order=study.sites, ax=panel, color="#92c5de", fliersize=1.5, linewidth=0.8)
    panel.set(xlabel="rank among all maps, 1 is the most important", ylabel="")
    panel.tick_params(labelsize=8)
    sns.despine(ax=panel)
    medians = ranks.groupby("site")["rank"].median()
    caption = (
        "Ranks of all maps of the network by oracle_abs: median, quartiles and range of each site, in the network's order."
        f" The site whose median map matters most is {medians.idxmin()}, least {medians.idxmax()}. {study.said}."
    )
    return Section("oracle-ranks", "Where the important maps are", caption, figure)
