"""How good sets can be, why single maps mislead, and what pairs explain, from the newest committed record."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown, read_csv

SHOWN = (
    *("oracle_abs", "oracle_loss", "oracle_mean_abs", "best criterion", "greedy", "greedy_mean_abs"),
    *("pairs", "pairs_mean_abs", "shapley", "random"),
)
BEST = "best criterion"


def better_sets(scope: str, share: float) -> str:
    """A row per chooser: joint loss in nats of its set, scores as they are; the best criterion may scale its own."""
    rows = _better().query("scope == @scope and share == @share")
    plain = rows[(rows.scaling == "none") & rows.chooser.isin(SHOWN)]
    best = rows[_best(rows)].drop_duplicates(["case", "seed"]).assign(chooser=BEST)
    return _table(pd.concat([plain, best]), SHOWN)


def reductions(share: float) -> str:
    """A row per reduction of the oracle's matrix and scaling: joint loss in nats of the set over all sites."""
    rows = _better().query("share == @share and scope == 'all sites'")
    rows = rows[rows.chooser.str.startswith("oracle_") & rows.scaling.isin(["none", "l2", "rank"])]
    named = rows.assign(chooser=rows.chooser.where(rows.scaling == "none", rows.chooser + ", " + rows.scaling))
    return _table(named, _cheapest_first(named))


def apart(scope: str) -> str:
    """A row per chooser: what its set costs, as a sum of single changes, what maps of a site add, and what sites add."""
    rows = _better().query("scope == @scope").dropna(subset="within_sites")
    rows = rows.assign(chooser=rows.chooser.where(~_best(rows), BEST)).drop_duplicates(["case", "seed", "chooser"])
    parts = rows.groupby(["case", "chooser"])[["joint_loss", "singles", "within_sites", "across_sites", "own"]].median()
    order = [name for name in (*SHOWN, "oracle_rms") if name in set(rows.chooser)]
    texts = [
        {"network": case, "chosen by": f"`{name}`" if name != BEST else name}
        | {text: f"{parts.loc[(case, name), column]:.2f}".replace("-", "−") for column, text in APART.items()}
        for case in dict.fromkeys(rows.case)
        for name in order
        if (case, name) in parts.index
    ]
    return f"{markdown(pd.DataFrame(texts), disable_numparse=True)}\n\n{_said(rows)}"


APART = {
    "joint_loss": "joint loss",
    "singles": "single changes",
    "within_sites": "within sites",
    "across_sites": "across sites",
    "own": "on the examples that chose",
}


def adding() -> str:
    """A row per network and share of random sets: joint loss, and what single maps, pairs and more explain of it."""
    rows = read_csv(newest("adding.csv"))
    names = {"joint_loss": "joint loss", "singles": "single maps", "pairs": "pairs", "higher": "more maps together"}
    texts = rows.assign(**{"random sets of": rows.share.map("{:.0%}".format)})[["case", "seed", "random sets of"]]
    for name, text in names.items():
        texts[text] = _between(rows, name, f"{name}_")
    return f"{markdown(texts.rename(columns={'case': 'network'}), disable_numparse=True)}\n\n{_said(rows)}"


def interaction_grades() -> str:
    """A row per network: Spearman of curvature with measured interactions, within and across sites."""
    rows = read_csv(newest("interaction-grades.csv"))
    rows = rows.assign(text=_between(rows, "spearman", ""))
    table = rows.pivot_table(index=["case", "seed"], columns="pairs", values="text", aggfunc="first").reset_index()
    table = table.rename(columns={"case": "network", "within": "within sites", "across": "across sites", "all": "all pairs"})
    return f"{markdown(table, disable_numparse=True)}\n\n{_said(rows)}"


def _better() -> pd.DataFrame:
    return read_csv(newest("better-sets.csv"))


def _best(rows: pd.DataFrame) -> pd.Series:
    """Whether a row is the cheapest set that a criterion chose."""
    return (rows.over_criterion == 0) & (rows.chooser == rows.best_criterion)


def newest(name: str) -> Path:
    """The newest record's table of that name."""
    return sorted(ROOT.glob(f"*/{name}"))[-1]


def _cheapest_first(rows: pd.DataFrame) -> list[str]:
    grid = rows.groupby(["chooser", "case"]).joint_loss.median().unstack()
    return grid.rank().mean(axis=1).sort_values(kind="stable").index.tolist()


def _table(rows: pd.DataFrame, order: Sequence[str]) -> str:
    """Joint losses, the median over seeds with range: a row per chooser and a column per network."""
    costs = rows.groupby(["chooser", "case"]).joint_loss.agg(["median", "min", "max"])
    texts = [
        f"{middle:.2f}" + (f" ({low:.2f} to {high:.2f})" if rows.seed.nunique() > 1 else "")
        for middle, low, high in costs.itertuples(index=False)
    ]
    grid = pd.Series(texts, costs.index).str.replace("-", "−").unstack()
    grid = grid.reindex([name for name in order if name in grid.index]).fillna("not measured")
    table = grid.rename(index=lambda name: name if name == BEST else f"`{name}`").rename_axis("chosen by").reset_index()
    return f"{markdown(table, disable_numparse=True)}\n\n{_said(rows)}"


def _between(rows: pd.DataFrame, name: str, prefix: str) -> list[str]:
    columns = (rows[name], rows[f"{prefix}low"], rows[f"{prefix}high"])
    return [f"{value:.2f} ({low:.2f} to {high:.2f})".replace("-", "−") for value, low, high in zip(*columns, strict=True)]


def _said(rows: pd.DataFrame) -> str:
    return said_of(rows, newest("better-sets.csv").parent)


def said_of(rows: pd.DataFrame, record: Path) -> str:
    """Where the figures of some rows of a record come from."""
    facts = json.loads((record / "provenance.json").read_text("utf-8"))[0]
    parts = []
    for case, own in rows.groupby("case"):
        seeds = ", ".join(map(str, sorted(own.seed.unique())))
        parts.append(f"{case} {own.n.iloc[0]} examples, seeds {seeds}")
    where = f"{facts['device']}, {facts['threads']} thread, torch {facts['versions']['torch']}, commit {facts['commit']}"
    return (
        f"<small>On examples that neither oracle nor criteria saw: {'; '.join(parts)}. {where}, {facts['when'][:10]};"
        f" record {record.name}.</small>"
    )
