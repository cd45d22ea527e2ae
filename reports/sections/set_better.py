"""What better sets cost less than the best criterion's: greedy removals, pairs, Shapley values, other reductions."""

import pandas as pd

from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sections.set_study import (
    NATS,
    Choice,
    Column,
    SetStudy,
    dots,
    first_near,
    how_measured,
    percent,
    spread,
    written,
)
from pruning_oracle.reports.sets.chosen import WITHIN
from pruning_oracle.reports.sets.studies import over_seeds

WANTED, PAPER = 0.25, "oracle_abs"
FEWER = ("_half", "_few")  # ends of choosers that are the same on fewer examples
COLUMNS = (
    Column("what", "chosen by"),
    Column("joint", "joint loss, nats", NATS),
    Column("value", "more than the best criterion's, nats", NATS),
)


def told(study: CaseStudy) -> SetStudy | None:
    """The study; None where no better sets were measured."""
    table = study.studies.get("better")
    if table is None:
        return None
    known = set(study.runs[0].criteria.facts["criteria"])
    own = table.rows[~table.rows.chooser.isin(known) & (table.rows.scaling == "none")]
    own = own[~own.chooser.str.endswith(FEWER)]
    keys = ["scope", "share", "chooser"]
    found = over_seeds(own, keys, "over_criterion", "over_criterion_low", "over_criterion_high")
    found["joint"] = own.groupby(keys, sort=False).joint_loss.median().to_numpy()
    rows = found.assign(
        of=list(map(percent, found.share, found.scope)),
        what=found.chooser,
        reference=0.0,
    ).sort_values(["share", "scope", "value"], kind="stable", ignore_index=True)
    kinds = list(dict.fromkeys(rows.of))
    first = first_near(kinds, percent(WANTED, ALL))
    shown = [first, *(kind for kind in (percent(WANTED, WITHIN),) if kind in kinds and kind != first)]
    return SetStudy(
        "better",
        "Sets that cost less than the best criterion's",
        _finding(rows, table.rows, shown),
        how_measured(table),
        "dots",
        "nats more than the best criterion's",
        rows[["of", "what", "value", "from", "to", "seeds", "joint", "reference"]],
        COLUMNS,
        (Choice("of", "Maps removed", first),),
        note="The best criterion, in any scaling, is picked with hindsight on the examples that judge; left of the dashed line"
        " a set costs less. Differences are paired over examples. oracle_… are the oracle's own matrix in other reductions.",
    )


def section(study: CaseStudy) -> Section | None:
    """A row per chooser, a panel for a quarter of all sites and one for a quarter of each."""
    known = told(study)
    if known is None:
        return None
    kinds = list(dict.fromkeys(known.rows.of))
    shown = [kind for kind in (percent(WANTED, ALL), percent(WANTED, WITHIN)) if kind in kinds] or kinds[:1]
    panels = {kind: known.rows[known.rows.of == kind] for kind in shown}
    return known.section(dots(study, panels, "nats more than\nthe best criterion's", dict.fromkeys(panels, 0.0), shown[0]))


def _finding(rows: pd.DataFrame, measured: pd.DataFrame, shown: list[str]) -> str:
    """The cheapest set and the paper's oracle beside the best criterion."""
    said = []
    for of in shown:
        own = rows[rows.of == of]
        best = own.iloc[0]
        less = "not less than" if best.value >= 0 else "less than" if best["to"] < 0 else "not surely less than"
        criteria = measured[(measured.share == best.share) & (measured.scope == best.scope)].best_criterion
        names = ", ".join(dict.fromkeys(criteria))
        text = f"{of}: the set of {best.what} costs {written(best.joint, NATS)} nats, {less} the best criterion's ({names}), "
        text += f"difference {spread(best)}"
        paper = own[own.what == PAPER]
        if len(paper) and best.what != PAPER:
            text += f"; that of {PAPER}, the paper's oracle, {spread(paper.iloc[0])} more than that criterion's"
        said.append(text)
    return f"{'. '.join(said)}."
