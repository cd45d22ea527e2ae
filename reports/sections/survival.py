"""Does the loss before retraining predict the accuracy after it? Kendall's τ over many subsets of maps, with a verdict."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.agreement.correlation import kendall
from pruning_oracle.reports.inputs.pruning_runs import PruningStudy
from pruning_oracle.reports.sections.section import Section, number

RESAMPLES = 500


def tau(rows: pd.DataFrame) -> float:
    """Kendall's τ-b of loss before and accuracy after retraining; −1: the lower the loss, the higher the accuracy."""
    return kendall(rows.loss.to_numpy(), rows.accuracy.to_numpy())


def within(rows: pd.DataFrame) -> float:
    """Mean of the τ within every seed and share, so that only subsets of one size of one network are compared."""
    values = [tau(part) for _, part in rows.groupby(["seed", "share"])]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def tau_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """The 95 % interval of `within` from bootstrap draws of the subsets, within every seed and share."""
    random = np.random.default_rng(0)
    groups = [part for _, part in rows.groupby(["seed", "share"])]
    drawn = []
    for _ in range(RESAMPLES):
        again = [part.iloc[random.integers(0, len(part), len(part))] for part in groups]
        drawn.append(within(pd.concat(again)))
    return tuple(np.nanquantile(drawn, [0.025, 0.975]).tolist())


def section(pruned: PruningStudy) -> Section | None:
    """A point per subset, and a table of τ for every share; None if no subsets were retrained."""
    if not pruned.survival:
        return None
    every = pd.concat([pd.DataFrame(file.facts["rows"]).assign(seed=file.facts["seed"]) for file in pruned.survival])
    rows = every.dropna(subset="accuracy")
    low, high = tau_interval(rows)
    figure, panel = plt.subplots(figsize=(6.5, 3.4))
    sns.scatterplot(rows, x="loss", y="accuracy", hue="share", style="chosen by", palette="viridis", s=22, ax=panel)
    panel.set(xscale="log", xlabel="loss on training examples before retraining, nats", ylabel="test accuracy after it")
    panel.legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=panel)
    shown = [
        {"share of maps deleted": f"{share:.0%}", "subsets": len(part), "Kendall's τ": number(within(part))}
        | {"of random subsets alone": number(within(part[part["chosen by"] == "random"]))}
        for share, part in rows.groupby("share")
    ]
    middle = within(rows)
    facts = pruned.survival[0].facts
    caption = (
        f"{verdict(low, high)} Kendall's τ between the two is {number(middle)} [{number(low)}, {number(high)}] (95 % of"
        " bootstrap draws), a mean over seeds and shares, so that subsets are compared with others of the same size only."
        " Subsets are drawn at random, or chosen by criteria whose scores are disturbed; each is deleted at once and retrained"
        f" with the same {facts['settings']['updates']} updates. {len(every)} subsets ({len(every) - len(rows)} of which"
        f" diverged), {every.seed.nunique()} seeds, {facts['examples']} training examples for the loss, commit"
        f" {facts['commit'][:12]}."
    )
    return Section("survival", "Does the oracle predict what survives retraining?", caption, figure, pd.DataFrame(shown))


def verdict(low: float, high: float) -> str:
    """What an interval of τ means, as a sentence."""
    if np.isnan(low) or np.isnan(high):
        return "Undefined: too few subsets, or all end alike."
    if high < -0.5:
        return "Yes: the lower the loss before retraining, the higher as a rule the accuracy after it."
    if high < 0:
        return "Somewhat: a lower loss before retraining goes with a higher accuracy after it, but loosely."
    if low > 0:
        return "No, the reverse: a lower loss before retraining goes with a lower accuracy after it."
    return "No: the loss before retraining says nothing sure of the accuracy after it."
