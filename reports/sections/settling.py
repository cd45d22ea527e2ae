"""How many examples the oracle needs before the ranking of criteria against it stops changing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.bench.scores import ORACLES, Scores
from pruning_oracle.reports.agreement.correlation import LEAST, correlate, kendall, mean_over_sites
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sections.sample_size import ranks_of_draws, sizes
from pruning_oracle.reports.sections.section import CaseStudy, Section

DRAWS = 20
SETTLED = 0.9  # Kendall's τ
WHOLE = [slice(None)]  # one draw: all examples


def section(study: CaseStudy) -> Section | None:
    """A line per seed with its spread, and a table of the agreement lost by taking the criterion that looks best so far.

    None for an estimated oracle, because its predictions were learnt from all examples, and for too few criteria.
    """
    if study.runs[0].estimated:
        return None
    names = [name for name in study.criteria if name in study.runs[0].criteria.facts["criteria"]]
    found = pd.concat([settling_curve(run, names) for run in study.runs])
    if found.empty:
        return None
    figure, panel = plt.subplots(figsize=(6, 3.2))
    sns.lineplot(
        found, x="examples", y="tau", hue="seed", palette="colorblind", errorbar=("pi", 95), marker="o", ms=4, ax=panel
    )
    panel.set_xscale("log")
    counts = sorted(found.examples.unique())
    panel.set_xticks(counts, counts)
    panel.minorticks_off()
    panel.axhline(SETTLED, color="grey", lw=0.8, ls=":")
    panel.set(xlabel="examples of the oracle", ylabel="Kendall's τ with the final ranking", ylim=(None, 1.02))
    panel.legend(frameon=False, title="seed", fontsize=7)
    sns.despine(figure)
    caption = (
        f"The ranking of {found.criteria.max()} criteria by their agreement per site with oracle_abs of so many examples,"
        f" against their ranking by that of all, of which those are a part: Kendall's τ, mean and 95 % of {DRAWS} random"
        " draws. Criteria are always taken from all of their own fresh examples. The table says how often τ is above"
        f" {SETTLED:g}, how often the criterion that looks best is the best, and how much agreement is lost on average by"
        f" taking it. {study.said}."
    )
    return Section("settling", "How many examples the ranking of criteria needs", caption, figure, table(found))


def settling_curve(run: Run, names: list[str]) -> pd.DataFrame:
    """A row per number of examples and draw: τ with the final ranking, and the agreement lost by choosing with so few."""
    changes = [run.change(site) for site in run.sites]
    scores = [
        ranks_of_draws(run.reduction(name), [run.saliency(name, site, "fresh") for site in run.sites], WHOLE) for name in names
    ]
    final = _agreement(scores, changes, WHOLE)[0]
    scores, final = [of for of, value in zip(scores, final, strict=True) if not np.isnan(value)], final[~np.isnan(final)]
    if len(final) < LEAST:
        return pd.DataFrame()
    random, rows = np.random.default_rng([run.seed, 6]), []
    for count in sizes(len(changes[0]))[:-1]:
        orders = [random.permutation(len(changes[0]))[:count] for _ in range(DRAWS)]
        for found in _agreement(scores, changes, orders):
            defined = ~np.isnan(found)
            tau = kendall(found[defined], final[defined])
            lost = final.max() - final[np.nanargmax(found)] if defined.any() else np.nan
            rows.append({"seed": run.seed, "criteria": len(final), "examples": count, "tau": tau, "lost": lost})
    return pd.DataFrame(rows)


def _agreement(scores: list[Scores], changes: Scores, draws: Sequence[np.ndarray | slice]) -> np.ndarray:
    """Agreement `[draw, criterion]`: Spearman of each criterion with oracle_abs on each draw of examples, mean over sites."""
    truth = ranks_of_draws(ORACLES["oracle_abs"], changes, draws)
    return np.stack([mean_over_sites([correlate(a, b) for a, b in zip(of, truth, strict=True)]) for of in scores], 1)


def table(found: pd.DataFrame) -> pd.DataFrame:
    """A row per number of examples, over all seeds and draws: mean τ, and how good the criterion that looks best is."""
    rows = []
    for count, part in found.groupby("examples"):
        row = {
            "examples": f"{count:,}",
            "τ": f"{part.tau.mean():.2f}",
            f"τ above {SETTLED:g}": f"{(part.tau > SETTLED).mean():.0%}",
        }
        row |= {"the best is found": f"{(part.lost == 0).mean():.0%}", "agreement lost": f"{part.lost.mean():.3f}"}
        rows.append(row)
    return pd.DataFrame(rows)
