"""What foretells a network after fine-tuning: losses before it and summed scores, from the newest record of such subsets."""

import json
from functools import cache
from typing import Any

import pandas as pd

from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown, read_csv
from pruning_oracle.reports.sections.section import number
from pruning_oracle.reports.sections.survival import PREDICTORS, ahead, with_interval


@cache
def recorded() -> tuple[str, pd.DataFrame, list[dict[str, Any]]]:
    """The newest record's name, its rows, one per subset, and where they come from, a fact sheet per network."""
    path = sorted(ROOT.glob("*/survival.csv"))[-1]
    return path.parent.name, read_csv(path), json.loads((path.parent / "provenance.json").read_text("utf-8"))


def survival_predictors(outcome: str, random: bool = True) -> str:
    """A row per predictor, a column per network: Kendall's τ with `accuracy` or `test_loss` after fine-tuning, with intervals.

    Behind it stands how much stronger it is than that of the loss as it is. Without `random`, only subsets that criteria chose
    are compared.
    """
    name, rows, facts = recorded()
    rows = rows if random else rows[rows["chosen by"] != "random"]
    table: dict[str, dict[str, str]] = {said: {} for said in PREDICTORS.values()}
    for case, own in rows.dropna(subset="accuracy").groupby("case"):
        for predictor, said in PREDICTORS.items():
            known = predictor in own and own[predictor].notna().all()
            table[said][f"`{case}`"] = _cell(own, predictor, outcome) if known else "—"
    found = pd.DataFrame([{"before fine-tuning": said} | cells for said, cells in table.items()])
    return f"{markdown(found, disable_numparse=True)}\n\n<small>{_where(name, rows, facts)}</small>"


def _cell(rows: pd.DataFrame, predictor: str, outcome: str) -> str:
    tau = with_interval(rows, predictor, outcome)
    if predictor == "loss":
        return tau
    more, low, high = ahead(rows, predictor, outcome)
    return f"{tau}; {'+' if more >= 0 else ''}{number(more)} [{number(low)}, {number(high)}]"


def _where(name: str, rows: pd.DataFrame, facts: list[dict[str, Any]]) -> str:
    each = []
    for case, own in rows.groupby("case"):
        of = next(one for one in facts if one["case"] == case)
        shares = ", ".join(f"{share:.0%}" for share in sorted(own.share.unique()))
        seeds = ", ".join(map(str, sorted(own.seed.unique())))
        each.append(
            f"{case}: {len(own)} subsets of {shares}, seed {seeds}, {of['updates']} updates, losses before on {of['examples']}"
            f" training examples, repairs from {of['repaired on']}, tested on {of['tested']}"
        )
    first = facts[0]
    return (
        "Kendall's τ within subsets of one size and seed, mean over these, with a 95 % interval from draws of the subsets;"
        f" behind the semicolon how much stronger it is than that of the loss as it is, paired. {'; '.join(each)}."
        f" {first['precision']} on {first['device']}, {first['threads']} thread, torch {first['versions']['torch']},"
        f" {first['when'][:10]}; record {name}."
    )
