"""The tables about sets as people read them: text with intervals, few columns."""

import math

import numpy as np
import pandas as pd

from pruning_oracle.bench.scores import shown
from pruning_oracle.reports.sets.chosen import PRICED
from pruning_oracle.reports.sets.foretelling import FEWEST

MEAN = ", mean over shares"


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """A row per chooser, best first by the mean over columns; a column for each share and scaling of datamodeling scores."""
    kinds = [f"{row.share:.0%}" + ("" if row.scaling == "none" else f", {row.scaling}") for row in table.itertuples()]
    named = table.assign(kind=kinds, text=_intervals(table, "lds", "low", "high"))
    order = named.groupby("chooser").lds.mean().sort_values(ascending=False, kind="stable").index
    grid = named.pivot(index="chooser", columns="kind", values="text")[list(dict.fromkeys(kinds))].loc[order].fillna("")
    ceilings = named.drop_duplicates("kind").set_index("kind").ceiling.map(_number)
    return pd.concat([grid, ceilings.to_frame("noise ceiling").T]).rename_axis("summed scores of").reset_index()


def added(table: pd.DataFrame) -> pd.DataFrame:
    """A row per scope and share of the table of additivity."""
    return pd.DataFrame(
        {
            "scope": table.scope,
            "share": table.share.map("{:.0%}".format),
            "maps": table.maps.astype(str),
            "joint loss": table.joint_loss.map(_nats),
            "sum of single changes": table.single_changes.map(_nats),
            "ratio": _intervals(table, "ratio", "ratio_low", "ratio_high"),
        }
    )


def sensitive(table: pd.DataFrame) -> pd.DataFrame:
    """A row per site in the network's order, a column per share: the median joint loss over choosers."""
    grid = table.groupby(["site", "share"], sort=False).joint_loss.median().unstack()
    grid = grid.loc[table.site.unique(), sorted(grid.columns)].map(_nats)
    return grid.rename(columns="{:.0%}".format).rename_axis(columns=None).reset_index()


def foretold(table: pd.DataFrame) -> pd.DataFrame:
    """A row per predictor, best first; a column per outcome, of joint losses their mean over shares."""
    short = shown_outcomes(table)
    texts = short.assign(text=_intervals(short, "tau", "low", "high"))
    order = short.groupby("predictor").tau.mean().sort_values(ascending=False, kind="stable").index
    columns = list(dict.fromkeys(short.outcome))
    return texts.pivot(index="predictor", columns="outcome", values="text")[columns].loc[order].fillna("").reset_index()


def best(table: pd.DataFrame) -> str:
    """What of each family foretells each outcome best, and which outcomes have too few criteria."""
    said = [] if table.outcome.str.contains("fine-tuning").any() else ["No pruning runs: `make prune` makes them"]
    for outcome, rows in shown_outcomes(table).groupby("outcome", sort=False):
        if rows.tau.isna().all():
            said.append(f"{outcome}: {rows.criteria.iloc[0]} criteria alone have it with equal settings; a rank needs {FEWEST}")
            continue
        families = rows.groupby(rows.predictor.str.split(" ").str[0].str.strip(","), sort=False)
        firsts = [own.iloc[int(np.nanargmax(own.tau))] for _, own in families]
        said.append(f"{outcome}: {'; '.join(f'{one.predictor} {_number(one.tau)}' for one in firsts)}")
    return "Best of each kind. " + ". ".join(said)


def shown_outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of outcomes that are shown: of joint losses the mean over shares, where there is one, unpriced."""
    mean = table.outcome.str.endswith(MEAN) & ~table.outcome.str.contains(PRICED)
    rows = table[mean | ~table.outcome.str.startswith("joint loss")] if mean.any() else table
    return rows.assign(outcome=rows.outcome.str.removesuffix(MEAN))


def _intervals(table: pd.DataFrame, *names: str) -> list[str]:
    """A figure with its interval in every row, two decimals; `undefined` if it is NaN."""
    rows = table[list(names)].to_numpy(float).tolist()
    return [
        _number(value) if math.isnan(low) else f"{_number(value)} [{_number(low)}, {_number(high)}]"
        for value, low, high in rows
    ]


def _number(value: float) -> str:
    return shown(value, ".2f").replace("-", "−")


def _nats(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
