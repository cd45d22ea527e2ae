"""Which criteria rank maps alike: their agreement with each other, as a clustered heat map."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from pruning_oracle.bench.scores import Scores
from pruning_oracle.reports.agreement.correlation import correlate, mean_over_sites, standard_ranks
from pruning_oracle.reports.sections.section import CaseStudy, Section


def section(study: CaseStudy) -> Section:
    """A heat map, criterion × criterion, of the within-site Spearman of their scores on fresh examples."""
    names = [name for name in study.criteria if name in study.runs[0].criteria.facts["criteria"]]
    grid = agreement_of_criteria(study, names)
    order = clustered(grid)
    grid = grid.iloc[order, order]
    size = 2.2 + 0.24 * len(names)
    figure, panel = plt.subplots(figsize=(size + 0.8, size))
    sns.heatmap(grid, ax=panel, vmin=-1, vmax=1, cmap="RdBu", square=True, cbar_kws={"label": "Spearman", "shrink": 0.6})
    panel.set(xlabel="", ylabel="", xticks=np.arange(len(names)) + 0.5, yticks=np.arange(len(names)) + 0.5)
    panel.set_xticklabels(grid.columns, rotation=90, fontsize=6)
    panel.set_yticklabels(grid.index, rotation=0, fontsize=6)
    panel.set_facecolor("0.85")
    same = [f"{a} and {b}" for i, a in enumerate(grid.index) for b in grid.columns[i + 1 :] if grid.loc[a, b] > 0.999]
    caption = (
        "Spearman within each site between the scores of two criteria on fresh examples, averaged over sites, median over"
        " seeds; grey is undefined. Rows are ordered by average linkage of one minus it. Ranking a site's maps alike (above"
        f" 0.999): {', '.join(same) or 'none'}. {study.said}."
    )
    return Section("alike", "Which criteria say the same", caption, figure)


def agreement_of_criteria(study: CaseStudy, names: list[str]) -> pd.DataFrame:
    """Within-site Spearman of every two criteria on fresh examples, mean over sites and median over seeds, as a square."""
    seeds = [
        likeness([[run.reduction(name)(run.saliency(name, site, "fresh")) for site in run.sites] for name in names])
        for run in study.runs
    ]
    return pd.DataFrame(np.median(np.array(seeds, dtype=float), axis=0), index=names, columns=names)


def likeness(criteria: list[Scores]) -> np.ndarray:
    """Within-site Spearman of every two criteria's scores, mean over sites, as a square; NaN where it is undefined."""
    ranked = [[standard_ranks(score) for score in scores] for scores in criteria]
    pairs = [[mean_over_sites([correlate(a, b) for a, b in zip(x, y, strict=True)]) for y in ranked] for x in ranked]
    return np.array(pairs, dtype=float)


def clustered(grid: pd.DataFrame) -> list[int]:
    """Row numbers of a square `grid` of correlations, ordered so that similar criteria are neighbours; NaN counts as 0."""
    if len(grid) < 3:
        return list(range(len(grid)))
    distance = (1 - grid.fillna(0).to_numpy()).clip(min=0)
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(place) for place in hierarchy.leaves_list(tree)]
