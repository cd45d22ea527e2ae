"""Layer sensitivity: what it costs to remove a growing share of one site's maps, a curve per site."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import (
    COUNT,
    NATS,
    PERCENT,
    Choice,
    Column,
    SetStudy,
    how_measured,
    per_panel,
    percent,
    spread,
)
from pruning_oracle.reports.sets.sensitivity import CHOOSERS
from pruning_oracle.reports.sets.studies import over_seeds

MAPS = "the site's maps"
NAMED = 12  # sites that a legend has room for
COLUMNS = (
    Column("what", "site"),
    Column("share", "share removed", PERCENT),
    Column("maps", "maps removed", COUNT),
    Column("value", "joint loss, nats", NATS),
)
WHICH = {"costliest site": "max", "middle of the sites": "median", "cheapest site": "min"}


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where no site was pruned alone."""
    table = study.studies.get("sensitivity")
    if table is None:
        return None
    found = over_seeds(table.rows, ["chooser", "site", "share"], "joint_loss")
    found["maps"] = table.rows.groupby(["chooser", "site", "share"], sort=False).maps.first().to_numpy()
    places = {site: place for place, site in enumerate(study.sites, 1)}
    rows = found.rename(columns={"site": "what"}).assign(place=found.site.map(places))
    rows = rows.sort_values(["place", "share"], kind="stable", ignore_index=True)
    choosers = usual(rows)
    return SetStudy(
        "sensitivity",
        "What a growing share of one site costs",
        _finding(rows, choosers[0]),
        how_measured(table),
        "sensitivity",
        "joint loss, nats",
        rows,
        COLUMNS,
        (Choice("chooser", "Chosen by", choosers[0]), Choice("gone", "Removed", percent(0.5, MAPS))),
        summary=_summary(table.rows),
        note="A curve is one site whose maps alone go, those of the lowest score first; colours"
        " go from the input, dark, to the output, light.",
    )


def usual(rows: pd.DataFrame) -> list[str]:
    """The choosers that are drawn: those that are measured by default, or else the first."""
    known = list(dict.fromkeys(rows.chooser))
    return [name for name in CHOOSERS if name in known] or known[:1]


def section(study: CaseStudy) -> Section | None:
    """A curve per site, a panel per chooser that is measured by default."""
    known = told(study)
    if known is None:
        return None
    choosers, sites = usual(known.rows), list(dict.fromkeys(known.rows.what))
    colours = sns.color_palette("viridis", len(sites))

    def draw(place: int, panel: Axes) -> None:
        for colour, site in zip(colours, sites, strict=True):
            own = known.rows[(known.rows.chooser == choosers[place]) & (known.rows.what == site)]
            panel.plot(own.share, own.value, "o-", color=colour, lw=1, ms=2.5, label=f"{one_line(site)}")
        panel.set_yscale("symlog", linthresh=0.01)
        panel.set(title=one_line(choosers[place]), xlabel="share removed", ylabel="joint loss, nats")
        if place + 1 == len(choosers) and len(sites) <= NAMED:
            panel.legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))

    return known.section(per_panel(len(choosers), draw))


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """The costliest, the middle and the cheapest site by chooser and share, over seeds."""
    parts = []
    for what, how in WHICH.items():
        each = rows.groupby(["seed", "chooser", "share"], sort=False).joint_loss.agg(how).reset_index()
        none = {"low": float("nan"), "high": float("nan")}  # which site it is differs by chance: no interval
        parts.append(over_seeds(each.assign(**none), ["chooser", "share"], "joint_loss").assign(what=what))
    summary = pd.concat(parts, ignore_index=True)
    summary["gone"] = [percent(share, MAPS) for share in summary.share]
    return summary[["chooser", "gone", "what", "value", "from", "to", "seeds"]]


def _finding(rows: pd.DataFrame, chooser: str) -> str:
    """The costliest and the cheapest site at the share nearest to a half."""
    own = rows[rows.chooser == chooser]
    share = min(own.share.unique(), key=lambda one: abs(one - 0.5))
    own = own[own.share == share].dropna(subset="value")
    most, least = own.iloc[int(own.value.argmax())], own.iloc[int(own.value.argmin())]
    return (
        f"{percent(share, 'a site')}, chosen by {chooser}, cost most at {most.what}, {spread(most)} nats, and least at"
        f" {least.what}, {spread(least)} nats."
    )
