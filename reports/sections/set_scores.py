"""How well summed scores rank random sets: the linear datamodeling score (LDS) of every chooser, with its noise ceiling."""

import pandas as pd

from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import (
    PLAIN,
    Choice,
    Column,
    SetStudy,
    dots,
    first_near,
    how_measured,
    percent,
    spread,
)
from pruning_oracle.reports.sets.datamodeling import SUMMED
from pruning_oracle.reports.sets.studies import over_seeds

WANTED = 0.05  # the share that is shown first
SCALED = {"none": "as they are", "l2": "divided by their norm within each site"}
COLUMNS = (
    Column("what", "summed scores of"),
    Column("value", "LDS, Spearman", PLAIN),
    Column("reference", "noise ceiling", PLAIN),
)


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where no random sets were measured."""
    table = study.studies.get("lds")
    if table is None:
        return None
    found = over_seeds(table.rows, ["chooser", "share", "scaling"], "lds")
    ceilings = table.rows.groupby("share").ceiling.median()
    rows = pd.DataFrame(
        {
            "of": [percent(share, "all maps") for share in found.share],
            "scores": found.scaling.map(SCALED).fillna(found.scaling),
            "what": found.chooser,
            **{name: found[name] for name in ("value", "from", "to", "seeds")},
            "reference": found.share.map(ceilings),
        }
    ).sort_values("value", ascending=False, kind="stable", ignore_index=True)
    shares = [percent(share, "all maps") for share in sorted(found.share.unique())]
    first = first_near(shares, percent(WANTED, "all maps"))
    return SetStudy(
        "lds",
        "How well summed scores rank random sets",
        _finding(study, rows, dict.fromkeys([first, shares[-1]])),
        how_measured(table),
        "dots",
        "LDS, Spearman over random sets",
        rows,
        COLUMNS,
        (Choice("of", "Sets of", first), Choice("scores", "Scores", SCALED["none"])),
        form=PLAIN,
        note="LDS is the Spearman correlation, over random sets of one size, of a criterion's summed scores with what the set"
        f" costs; {SUMMED} sums the changes of single maps measured on the very same examples: what adding alone can reach."
        " The dashed line is the noise ceiling.",
    )


def section(study: CaseStudy) -> Section | None:
    """A row per chooser, a panel per share, scores as they are."""
    known = told(study)
    if known is None:
        return None
    plain = known.rows[known.rows.scores == SCALED["none"]]
    first = known.choices[0].first
    panels = {of: plain[plain.of == of] for of in sorted(plain.of.unique(), key=_share)}
    return known.section(dots(study, panels, "LDS", {of: rows.reference.iloc[0] for of, rows in panels.items()}, first))


def _share(of: str) -> float:
    return float(of.split(" ", maxsplit=1)[0])


def _finding(study: CaseStudy, rows: pd.DataFrame, shown: dict[str, None]) -> str:
    """Which criterion's sums rank best, beside the sum of measured changes and the ceiling."""
    said, criteria = [], study.runs[0].criteria.facts["criteria"]
    for of in shown:
        own = rows[(rows.of == of) & (rows.scores == SCALED["none"])].dropna(subset="value")
        guessed = own[own.what.isin(criteria)]
        if not len(guessed):
            continue
        best, added = guessed.iloc[0], own[own.what == SUMMED]
        exact = f" against {spread(added.iloc[0], PLAIN)} of the measured single changes" if len(added) else ""
        said.append(f"with {of} gone {best.what} ranks best, {spread(best, PLAIN)}{exact}, noise ceiling {best.reference:.2f}")
    text = "; ".join(said) or "the sums of all criteria are constant"
    return f"Of random sets, {text}."
