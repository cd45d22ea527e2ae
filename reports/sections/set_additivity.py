"""Whether changes add: what random sets cost together against the sum of what their maps cost alone, for each site."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import (
    NATS,
    Choice,
    Column,
    SetStudy,
    first_near,
    how_measured,
    per_panel,
    percent,
    spread,
)
from pruning_oracle.reports.sets.studies import over_seeds

WANTED = 0.1
MAPS = "the maps"
COLUMNS = (
    Column("what", "site"),
    Column("single", "sum of single changes, nats", NATS),
    Column("joint", "joint loss, nats", NATS),
    Column("value", "joint loss ÷ sum", NATS),
)


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where no random sets were measured."""
    table = study.studies.get("additivity")
    if table is None:
        return None
    keys, numbers = ["scope", "share"], ["single_changes", "joint_loss", "low", "high"]
    ratios = over_seeds(table.rows, keys, "ratio", "ratio_low", "ratio_high")
    ends = {end: table.rows.single_changes + table.rows[f"difference_{end}"] for end in ("low", "high")}
    middle = table.rows.assign(**ends).groupby(keys, sort=False)[numbers].median().reset_index()
    places = {ALL: 0} | {site: place for place, site in enumerate(study.sites, 1)}
    rows = pd.DataFrame(
        {
            "of": [percent(share, MAPS) for share in ratios.share],
            "what": ratios.scope,
            "place": ratios.scope.map(places),
            **{name: ratios[name] for name in ("value", "from", "to", "seeds")},
            "single": middle.single_changes,
            **{name: middle[column] for name, column in (("joint", "joint_loss"), ("low", "low"), ("high", "high"))},
        }
    ).sort_values("place", kind="stable", ignore_index=True)
    shares = [percent(share, MAPS) for share in sorted(ratios.share.unique())]
    whole = rows[rows.what == ALL]
    return SetStudy(
        "additivity",
        "Whether changes add",
        _finding(rows, shares),
        how_measured(table),
        "adding",
        "joint loss ÷ sum of changes",
        rows,
        COLUMNS,
        (Choice("of", "Random sets of", first_near(shares, percent(WANTED, MAPS))),),
        summary=whole.assign(what=[f"a random {of.removesuffix(' of the maps')} of all maps" for of in whole.of])[
            ["what", "value", "from", "to", "seeds"]
        ],
        note="On the diagonal, changes add. A point is a site whose maps alone go, or all sites; vertical lines are 95 %"
        " intervals over sets and examples; colours go from the input, dark, to the"
        " output, light. Where the sum may as well be 0 the ratio is undefined.",
    )


def section(study: CaseStudy) -> Section | None:
    """Joint loss against the sum of single changes, a panel per share."""
    known = told(study)
    if known is None:
        return None
    shares = [of for of in dict.fromkeys(known.rows[known.rows.what == ALL].of) if (known.rows.of == of).sum() > 1]
    if not shares:  # no site is large enough to be pruned alone
        return None

    def draw(place: int, panel: Axes) -> None:
        rows = known.rows[known.rows.of == shares[place]]
        ends = [rows[["single", "joint"]].min().min(), rows[["single", "joint"]].max().max()]
        panel.plot(ends, ends, color="0.5", lw=0.8, ls="--")
        panel.vlines(rows.single, rows.low, rows.high, color="0.6", lw=0.8)
        panel.scatter(rows.single, rows.joint, c=rows.place, cmap="viridis", s=14, zorder=3)
        small = max(float(np.abs(rows.single).median()), 1e-4)
        panel.set_xscale("symlog", linthresh=small)
        panel.set_yscale("symlog", linthresh=small)
        panel.set(title=shares[place], xlabel="sum of single changes, nats", ylabel="joint loss, nats")
        panel.title.set_fontsize(8)

    return known.section(per_panel(len(shares), draw))


def _finding(rows: pd.DataFrame, shares: list[str]) -> str:
    """How much more a random share of all maps costs than the sum, and how far single sites go."""
    whole = rows[rows.what == ALL].dropna(subset="value").to_dict("records")
    said = [f"{row['of'].replace(MAPS, 'all maps')} cost {spread(row)} times" for row in whole]
    parts = [f"Random sets of {', '.join(said)} the sum of their maps' single changes."] if said else []
    own = rows[(rows.what != ALL) & (rows.of == shares[-1])].dropna(subset="value")
    if len(own):
        most, least = own.iloc[int(own.value.argmax())], own.iloc[int(own.value.argmin())]
        parts.append(f"Of one site, {shares[-1]} cost {spread(most)} times at {most.what}, {spread(least)} at {least.what}.")
    return " ".join(parts) or "No sum of single changes can be told from 0."
