"""How well scores rank random sets, whether changes add, and what foretells pruning, from the newest committed record."""

import pandas as pd

from pruning_oracle.docs.build.set_studies import newest, said_of
from pruning_oracle.reports.inputs.tables import markdown, read_csv

SHOWN = (
    *("single_changes", "oracle_abs", "oracle_mean_abs", "gauss_newton", "taylor", "fisher", "taylor_second_signed"),
    *("activation_mean", "weight_l2", "wanda", "random"),
)
MEAN = ", mean over shares"
OUTCOMES = {
    f"joint loss, one site{MEAN}": "cost of shares of one site alone",
    f"joint loss, each site{MEAN}": "cost of shares of each site",
    f"joint loss, each site, after batchnorm{MEAN}": "the same after batch norms are repaired",
    f"joint loss, all sites{MEAN}": "cost of shares of all maps, scores as they are",
    f"joint loss, all sites, after batchnorm{MEAN}": "the same, repaired",
    f"joint loss, all sites, l2{MEAN}": "cost of shares of all maps, scores scaled by l2",
    "accuracy on the way": "accuracy while pruning and fine-tuning, seed 0",
    "accuracy after fine-tuning": "accuracy after it, seed 0",
}
PREDICTORS = {
    "agreement with oracle_abs, mean over sites": "agreement within sites, oracle_abs",
    "agreement with oracle_mean_abs, mean over sites": "within sites, oracle_mean_abs",
    "agreement with oracle_mean_abs, all sites": "over all sites, oracle_mean_abs",
    "LDS, 10%": "score on random tenths",
    "joint loss, 25% of each site": "own cost at 25 % of each site",
}


def scores_of_random_sets(scaling: str = "none") -> str:
    """A row per chooser, a column per network and share: the linear datamodeling score, a median over seeds."""
    path = newest("reference-sets.csv")
    rows = read_csv(path).query("scaling == @scaling and share in (0.05, 0.2)")
    columns = ["case", "share"]
    grid = rows[rows.chooser.isin(SHOWN)].groupby(["chooser", *columns]).lds.median().unstack(columns)
    ceilings = rows.groupby(columns).ceiling.median().rename("noise ceiling").to_frame().T
    whole = pd.concat([grid.reindex([name for name in SHOWN if name in grid.index]), ceilings])
    whole.columns = pd.Index([f"{place[0]}, {float(place[1]):.0%}" for place in whole.columns])
    names = [name if name == "noise ceiling" else f"`{name}`" for name in whole.index]
    table = whole.map(_number).set_axis(names).rename_axis("summed scores of").reset_index()
    return f"{markdown(table, disable_numparse=True)}\n\n{said_of(rows, path.parent)}"


def ratios() -> str:
    """A row per network, a column per share: joint loss over the sum of single changes, of random sets of all maps."""
    path = newest("additivity.csv")
    rows = read_csv(path).query("scope == 'all sites'")
    spread = rows.groupby(["case", "share"]).ratio.agg(["median", "min", "max"])
    grid = spread.apply(lambda row: _range(*row), axis=1).unstack()
    table = grid.rename(columns=lambda share: f"random {share:.0%} of all maps").rename_axis("network").reset_index()
    return f"{markdown(table, disable_numparse=True)}\n\n{said_of(rows, path.parent)}"


def foretold() -> str:
    """A row per network and outcome, a column per figure that may foretell it: Kendall's τ over criteria, with its interval."""
    path = newest("foretell.csv")
    rows = read_csv(path)
    rows = rows[rows.outcome.isin(OUTCOMES) & rows.predictor.isin(PREDICTORS)].dropna(subset="tau")
    trivial = rows.predictor.str.startswith("joint loss") & ~rows.outcome.str.startswith("accuracy")  # of nearly the same sets
    rows = rows[~trivial]
    figures = rows[["tau", "low", "high"]].to_numpy(float).tolist()
    texts = [f"{_number(tau)} {_interval(low, high)}".strip() for tau, low, high in figures]
    grid: pd.DataFrame = rows.assign(text=texts).pivot(index=["case", "outcome"], columns="predictor", values="text").fillna("")
    kept = [name for name in PREDICTORS if name in grid.columns]
    order = [place for case in dict.fromkeys(rows.case) for name in OUTCOMES if (place := (case, name)) in grid.index]
    table = grid.reindex(order)[kept].rename(columns=PREDICTORS).rename_axis(["network", "foretold"]).reset_index()
    table["foretold"] = table.foretold.replace(OUTCOMES)
    counts = rows.groupby("case").agg(criteria=("criteria", "max"), seeds=("seeds", "max"))
    of = "; ".join(f"{case} {own.criteria} criteria, {own.seeds} seeds" for case, own in counts.iterrows())
    return f"{markdown(table, disable_numparse=True)}\n\n<small>{of}; record {path.parent.name}.</small>"


def _range(middle: float, low: float, high: float) -> str:
    return _number(middle) if low == high else f"{_number(middle)} ({_number(low)} to {_number(high)})"


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"[{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return "undefined" if pd.isna(value) else f"{value:.2f}".replace("-", "−")
