"""Does the loss before retraining predict what comes after it? Kendall's τ over many subsets of maps, with a verdict."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pruning_oracle.reports.inputs.pruning_runs import PruningStudy
from pruning_oracle.reports.sections.section import Section, number

RESAMPLES = 500
LOSSES = {
    "loss": "loss as it is",
    "loss after bias": "loss, biases repaired",
    "loss after batchnorm": "loss, batch norms repaired",
    "loss after both": "loss, both repaired",
}
SUMS = {
    f"sum of {name}": f"sum of {name}" for name in ("taylor", "weight_l2", "activation_mean")
}  # of the deleted maps' scores
PREDICTORS = LOSSES | SUMS
OUTCOMES = {"accuracy": "test accuracy", "test_loss": "test loss"}  # a file of an earlier version lacks the latter, and repairs


def kendalls(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's τ-b of every row of two tables `[draw, subset]`; NaN where one is constant."""
    signs = [np.sign(values[:, :, None] - values[:, None]) for values in (first, second)]
    both, *own = (np.einsum("dij,dij->d", one, other) for one, other in (signs, signs[:1] * 2, signs[1:] * 2))
    with np.errstate(invalid="ignore"):
        return both / np.sqrt(own[0] * own[1])


def within(rows: pd.DataFrame, predictor: str = "loss", outcome: str = "accuracy") -> float:
    """Mean of the τ within every seed and share, so that only subsets of one size of one network are compared."""
    return float(_means(rows, predictor, outcome, draws=0)[0])


def tau_interval(rows: pd.DataFrame, predictor: str = "loss", outcome: str = "accuracy") -> tuple[float, float]:
    """The 95 % interval of `within` from bootstrap draws of the subsets, within every seed and share; NaN if undefined."""
    drawn = _means(rows, predictor, outcome, RESAMPLES)
    if np.isnan(drawn).all():
        return float("nan"), float("nan")
    return tuple(np.nanquantile(drawn, [0.025, 0.975]).tolist())


def _means(rows: pd.DataFrame, predictor: str, outcome: str, draws: int) -> np.ndarray:
    """`within` of the subsets, or of so many bootstrap draws of them: every predictor and outcome gets the same draws."""
    random, groups = np.random.default_rng(0), [part for _, part in rows.groupby(["seed", "share"])]
    drawn = [[random.integers(0, len(part), len(part)) for part in groups] for _ in range(draws)]
    every = np.full((max(1, len(groups)), max(1, draws)), np.nan)
    for place, part in enumerate(groups):
        subsets = np.stack([of[place] for of in drawn]) if draws else np.arange(len(part))[None]
        every[place] = kendalls(part[predictor].to_numpy()[subsets], part[outcome].to_numpy()[subsets])
    counted = (~np.isnan(every)).sum(0)
    return np.where(counted, np.nansum(every, 0) / np.maximum(counted, 1), np.nan)


def section(pruned: PruningStudy) -> Section | None:
    """A point per subset, and a table of τ for every predictor and share; None if no subsets were retrained."""
    if not pruned.survival:
        return None
    every = pd.concat([pd.DataFrame(file.facts["rows"]).assign(seed=file.facts["seed"]) for file in pruned.survival])
    rows = every.dropna(subset="accuracy")
    predictors = [name for name in PREDICTORS if name in rows and rows[name].notna().all()]
    outcomes = [name for name in OUTCOMES if name in rows and rows[name].notna().all()]
    shown = [
        {"before retraining": PREDICTORS[predictor], "share of maps deleted": label, "subsets": len(part)}
        | {f"τ with {OUTCOMES[outcome]}": _with_interval(part, predictor, outcome) for outcome in outcomes}
        for predictor in predictors
        for label, part in [("all", rows), *((f"{share:.0%}", part) for share, part in rows.groupby("share"))]
    ]
    facts = pruned.survival[0].facts
    best = outcomes[-1]
    low, high = tau_interval(rows, "loss", best)
    sure = (low, high) if best == "accuracy" else (-high, -low)
    repaired = f" Repairs saw {facts['repaired on']} other training examples." if "repaired on" in facts else ""
    summed = " Sums are of the deleted maps' scores, as they are." if set(SUMS) & set(predictors) else ""
    caption = (
        f"{verdict(*sure)} Kendall's τ of the loss before retraining with the {OUTCOMES[best]} after it is"
        f" {_with_interval(rows, 'loss', best)} (95 % of bootstrap draws of subsets), a mean over seeds and shares, so that"
        " subsets are compared with others of the same size only; a good predictor has τ near −1 with accuracy and near 1 with"
        " loss. Subsets are drawn at random, or chosen by criteria whose scores are disturbed; each is deleted at once and"
        f" retrained with the same {facts['settings']['updates']} updates, from the network as it is.{repaired}{summed}"
        f" {len(every)} subsets ({len(every) - len(rows)} of which diverged), {every.seed.nunique()} seeds,"
        f" {facts['examples']} training examples for the losses before, commit {facts['commit'][:12]}."
    )
    title = "Does the oracle predict what survives retraining?"
    return Section(
        "survival", title, caption, _figure(rows, [name for name in predictors if name in LOSSES], best), pd.DataFrame(shown)
    )


def _with_interval(rows: pd.DataFrame, predictor: str, outcome: str) -> str:
    low, high = tau_interval(rows, predictor, outcome)
    return f"{number(within(rows, predictor, outcome))} [{number(low)}, {number(high)}]"


def _figure(rows: pd.DataFrame, predictors: list[str], outcome: str) -> Figure:
    """What came after retraining against the loss before it, a panel per predictor."""
    figure, panels = plt.subplots(1, len(predictors), figsize=(2.4 + 2.6 * len(predictors), 3.2), sharey=True, squeeze=False)
    for place, (panel, name) in enumerate(zip(panels[0], predictors, strict=True)):
        last = place == len(predictors) - 1
        sns.scatterplot(rows, x=name, y=outcome, hue="share", style="chosen by", palette="viridis", s=18, ax=panel, legend=last)
        panel.set(xscale="log", xlabel="loss before retraining, nats", ylabel=f"{OUTCOMES[outcome]} after it")
        panel.set_title(PREDICTORS[name], fontsize=8)
    panels[0, 0].set(yscale="linear" if outcome == "accuracy" else "log")
    panels[0, -1].legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure


def verdict(low: float, high: float) -> str:
    """What an interval of τ means, as a sentence; −1 is a perfect predictor (of a loss, give the interval of −τ)."""
    if np.isnan(low) or np.isnan(high):
        return "Undefined: too few subsets, or all end alike."
    if high < -0.5:
        return "Yes: the lower the loss before retraining, the better as a rule the network after it."
    if high < 0:
        return "Somewhat: a lower loss before retraining goes with a better network after it, but loosely."
    if low > 0:
        return "No, the reverse: a lower loss before retraining goes with a worse network after it."
    return "No: the loss before retraining says nothing sure of the network after it."
