"""What foretells what: Kendall's τ over criteria of agreement, datamodeling scores and joint losses with what pruning costs."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import PLAIN, Choice, Column, SetStudy, first_near, spread
from pruning_oracle.reports.sets.shown import shown_outcomes

WANTED = "joint loss, all sites"  # the outcome that is shown first
AGREEMENT = "agreement with "  # how predictors begin that are agreements
SAME = "joint loss"  # how predictors begin that are joint losses of nearly the same sets
COLUMNS = (Column("what", "by"), Column("value", "Kendall's τ", PLAIN))


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where nothing was foretold, or of fewer criteria than a rank needs."""
    if study.foretold is None:
        return None
    rows = shown_outcomes(study.foretold).dropna(subset="tau")
    if not len(rows):
        return None
    rows = pd.DataFrame(
        {
            "outcome": rows.outcome,
            "what": rows.predictor.str.removeprefix(AGREEMENT),
            "value": rows.tau,
            "from": rows.low,
            "to": rows.high,
        }
    ).assign(seeds=1, reference=0.0)
    rows = rows.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    outcomes = sorted(rows.outcome.unique())
    first = first_near(outcomes, WANTED)
    table = study.foretold
    seeds = int(table.seeds.iloc[0])
    return SetStudy(
        "foretold",
        "What foretells the cost of pruning",
        _finding(rows, list(dict.fromkeys([first, *outcomes]))[:3]),
        f"{'Mean of' if seeds > 1 else 'Of'} {seeds} seed{'s' if seeds > 1 else ''}, with 95 % intervals over criteria, which"
        f" are drawn anew (up to {int(table.criteria.max())} of them).",
        "dots",
        "Kendall's τ over criteria",
        rows,
        COLUMNS,
        (Choice("outcome", "Foretold", first),),
        form=PLAIN,
        note="1: a criterion that does better by this figure always does better in the outcome; 0: it says nothing. oracle_…"
        " stands for the agreement with that reduction of the oracle. Joint losses of several shares are a mean of τ over"
        " shares. A joint loss foretells that of nearly the same sets well, of course.",
    )


def section(study: CaseStudy) -> Section | None:
    """A heat map, predictor by outcome."""
    known = told(study)
    if known is None:
        return None
    order = known.rows.groupby("what").value.mean().sort_values(ascending=False, kind="stable").index
    grid = known.rows.pivot(index="what", columns="outcome", values="value").loc[order]
    figure, panel = plt.subplots(figsize=(3.6 + 0.42 * grid.shape[1], 2.2 + 0.17 * len(grid)))
    grid.index = pd.Index([one_line(name) for name in grid.index])
    sns.heatmap(grid, ax=panel, vmin=-1, vmax=1, cmap="PuOr_r", annot=True, fmt=".2f", annot_kws={"size": 6}, linewidths=0.4)
    panel.set(xlabel="foretold", ylabel="by")
    panel.set_facecolor("0.9")
    panel.tick_params(labelsize=6)
    return known.section(figure)


def _finding(rows: pd.DataFrame, outcomes: list[str]) -> str:
    """What foretells each of some outcomes best, joint losses of nearly the same sets left out."""
    said = []
    for outcome in outcomes:
        own = rows[(rows.outcome == outcome) & ~rows.what.str.startswith(SAME)]
        if len(own):
            said.append(f"“{outcome}” by “{own.iloc[0].what}”, τ {spread(own.iloc[0], PLAIN)}")
    return f"Foretold best, joint losses of nearly the same sets left aside: {'; '.join(said)}."
