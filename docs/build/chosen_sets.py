"""What the sets cost that criteria and the oracle itself choose, from the newest committed record."""

import json

import pandas as pd

from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown, read_csv

SHARE = 0.25


def chosen_sets(scope: str, scaling: str) -> str:
    """A row per chooser, cheapest first: joint loss in nats when a quarter of the maps goes, median over seeds with range."""
    path = sorted(ROOT.glob("*/chosen-sets.csv"))[-1]
    rows = read_csv(path).query("share == @SHARE and scope == @scope and scaling == @scaling")
    rows = rows[rows.repair == "none"] if "repair" in rows else rows
    costs = rows.groupby(["chooser", "case"]).joint_loss.agg(["median", "min", "max"])
    grid = costs["median"].unstack()
    order = grid.rank().mean(axis=1).sort_values(kind="stable").index
    texts = costs.apply(lambda row: f"{row['median']:.2f} ({row['min']:.2f} to {row['max']:.2f})", axis=1)
    table = texts.unstack().loc[order].fillna("unavailable").rename(index=lambda name: f"`{name}`").reset_index()
    table = table.rename(columns={"chooser": "chosen by"})
    return f"{markdown(pd.DataFrame(table), disable_numparse=True)}\n\n<small>{where(rows, path.parent.name)}</small>"


def where(rows: pd.DataFrame, record: str) -> str:
    """Where the figures come from."""
    facts = json.loads((ROOT / record / "provenance.json").read_text("utf-8"))[0]
    counts = ", ".join(f"{case} {own.n.iloc[0]}" for case, own in rows.groupby("case"))
    seeds = rows.seed.nunique()
    return (
        f"Median of {seeds} seeds with range, on examples that neither oracle nor criteria saw ({counts});"
        f" {facts['device']}, {facts['threads']} thread, torch {facts['versions']['torch']}, commit {facts['commit']},"
        f" {facts['when'][:10]}; record {record}."
    )
