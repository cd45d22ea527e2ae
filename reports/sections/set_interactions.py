"""Interactions: what pairs of maps cost beyond what each costs alone, site by site, and how curvature ranks that."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import (
    COUNT,
    NATS,
    PLAIN,
    Choice,
    Column,
    SetStudy,
    how_measured,
    per_panel,
    spread,
)
from pruning_oracle.reports.sets.interactions import site_means
from pruning_oracle.reports.sets.studies import over_seeds
from pruning_oracle.reports.sets.table import MeasuredTable

NORMAL = 1.96  # standard errors of half a 95 % interval
KINDS = {"mean magnitude": True, "mean": False}
SIZE, GRADE = "mean magnitude of interactions, nats", "Spearman of curvature with interactions"
COLUMNS = (
    Column("what", "site"),
    Column("other", "and site"),
    Column("pairs", "pairs drawn", COUNT),
    Column("value", "interaction, nats", NATS),
)


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where no pairs were measured."""
    table, graded = study.studies.get("interactions"), study.studies.get("grades")
    if table is None:
        return None
    rows = pd.concat([_means(table, study.sites, kind) for kind in KINDS], ignore_index=True)
    sizes, marks = _sizes(table.rows), _marks(graded)
    return SetStudy(
        "interactions",
        "Which maps interact",
        _finding(rows, sizes, marks, table),
        how_measured(table),
        "pairs",
        "interaction, nats",
        rows,
        COLUMNS,
        (Choice("kind", "Of the pairs of two sites", "mean magnitude"), Choice("figure", "Figure", SIZE)),
        summary=pd.concat([sizes, marks], ignore_index=True),
        note="An interaction is what two maps cost together less what each costs alone: positive where one needs the other"
        " more. Pairs are drawn with known probabilities, by which means count them; empty: none was drawn. Curvature, the"
        " second derivative of the loss by the gates of two maps, is a guess that needs no removal.",
    )


def section(study: CaseStudy) -> Section | None:
    """Heat maps, site by site: mean magnitude and mean of the interactions drawn, median over seeds."""
    known = told(study)
    if known is None:
        return None
    width = max(2.6, 0.24 * len(study.sites) + 1.6)

    def draw(place: int, panel: Axes) -> None:
        kind = list(KINDS)[place]
        own = known.rows[known.rows.kind == kind]
        grid = own.pivot(index="what", columns="other", values="value").reindex(index=study.sites, columns=study.sites)
        grid.index, grid.columns = (pd.Index([one_line(site) for site in study.sites]) for _ in range(2))
        sns.heatmap(grid, ax=panel, cmap="PuOr_r", center=0, cbar_kws={"label": "nats"}, linewidths=0.3)
        panel.set(title=f"{kind} of interactions", xlabel="", ylabel="")
        panel.title.set_fontsize(8)
        panel.set_facecolor("0.9")
        panel.tick_params(labelsize=6)

    return known.section(per_panel(len(KINDS), draw, width + 0.8, width))


def _means(table: MeasuredTable, sites: list[str], kind: str) -> pd.DataFrame:
    """A row for every two sites that have a pair, in both orders: the mean of their interactions, over seeds."""
    parts, places = [], {site: place for place, site in enumerate(sites, 1)}
    for seed, own in table.rows.groupby("seed"):
        grid = site_means(own, sites, KINDS[kind]).stack().dropna()
        counts = own.groupby(["site_a", "site_b"]).size()
        for (one, other), value in grid.items():  # type: ignore[misc]
            drawn = counts.get((one, other), counts.get((other, one), 0))
            parts.append({"seed": seed, "what": one, "other": other, "mean": value, "pairs": drawn})
    rows = pd.DataFrame(parts).assign(low=float("nan"), high=float("nan"))
    found = over_seeds(rows, ["what", "other"], "mean")
    found["pairs"] = rows.groupby(["what", "other"], sort=False).pairs.sum().to_numpy()
    return found.assign(kind=kind, place=found.what.map(places), second=found.other.map(places)).sort_values(
        ["place", "second"], ignore_index=True
    )


def _sizes(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean magnitude of the interactions of maps of one site and of two, over seeds; pairs count by 1 ÷ probability.

    Of one seed the interval is by the drawing of pairs, each taken to be drawn on its own.
    """
    parts = []
    same = rows.site_a == rows.site_b
    for what, kind in {"within a site": same, "across sites": ~same}.items():
        for seed, own in rows[kind].groupby("seed"):
            weight, size = 1 / own.probability, own.interaction.abs()
            mean = (size * weight).sum() / weight.sum()
            error = ((1 - own.probability) * (weight * (size - mean)) ** 2).sum() ** 0.5 / weight.sum()
            half = NORMAL * error if len(own) > 1 else float("nan")
            parts.append({"seed": seed, "what": what, "mean": mean, "low": mean - half, "high": mean + half})
    return over_seeds(pd.DataFrame(parts), ["what"], "mean").assign(figure=SIZE)


def _marks(graded: MeasuredTable | None) -> pd.DataFrame:
    """How well curvature ranks measured interactions, within sites, across them and of all pairs."""
    if graded is None:
        return pd.DataFrame()
    found = over_seeds(graded.rows, ["pairs"], "spearman").rename(columns={"pairs": "what"})
    names = {"within": "pairs within a site", "across": "pairs across sites", "all": "all pairs"}
    return found.assign(what=found.what.map(names), figure=GRADE)


def _finding(rows: pd.DataFrame, sizes: pd.DataFrame, marks: pd.DataFrame, table: MeasuredTable) -> str:
    """How large interactions are, where the largest are, and how well curvature ranks them."""
    own = rows[(rows.kind == "mean magnitude") & (rows.place <= rows.second)].dropna(subset="value")
    most = own.iloc[int(own.value.argmax())]
    said = ", ".join(f"{spread(row)} {row['what']}" for row in sizes.to_dict("records"))
    text = f"Mean magnitude of the interaction of two maps, nats: {said}; the largest lie "
    text += f"within {most.what}" if most.what == most.other else f"between {most.what} and {most.other}"
    text += f", {spread(most)}."
    graded = marks.dropna(subset="value") if len(marks) else marks
    if len(graded):
        ranks = ", ".join(f"{spread(row, PLAIN)} over {row['what']}" for row in graded.to_dict("records"))
        text += f" Curvature ranks them with Spearman {ranks}."
    seeds = len(table.facts)
    return f"{text} {len(table.rows) // seeds} pairs were drawn{' per seed' if seeds > 1 else ''}."
