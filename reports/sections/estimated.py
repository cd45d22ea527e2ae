"""How good estimated oracles are: Spearman with the whole oracle against pairs and against time, one panel per network."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.section import Section

Trial = dict[str, Any]
ACROSS = 3  # networks beside one another in the figure


def section(trials: list[Trial]) -> Section | None:
    """Each ingredient added in turn, with the spread of repetitions; below, what was really measured against the clock."""
    if not trials:
        return None
    return Section("estimated", "The estimated oracle", _caption(trials), _figure(trials), table(trials))


def _figure(trials: list[Trial]) -> Figure:
    """Two panels above one another for every network, on the same scales."""
    wide, high = min(len(trials), ACROSS), -(-len(trials) // ACROSS)
    figure, panels = plt.subplots(2 * high, wide, figsize=(1 + 2.7 * wide, 5.2 * high), squeeze=False)
    for place in range(wide * high):
        row, column = divmod(place, wide)
        upper, lower = panels[2 * row : 2 * row + 2, column]
        if place >= len(trials):
            upper.remove()
            lower.remove()
            continue
        _against_pairs(upper, trials[place], legend=not place)
        _against_time(lower, trials[place])
        for panel, name in ((upper, "curves"), (lower, "timings")):
            lowest = min(found["sites"] for trial in trials for found in trial[name])
            panel.set_ylim(lowest - 0.05 * (1 - lowest), 1 + 0.05 * (1 - lowest))
            panel.set_ylabel("" if column else "Spearman with the whole oracle")
    sns.despine(figure)
    return figure


def _against_pairs(panel: Axes, trial: Trial, *, legend: bool) -> None:
    rows = pd.DataFrame(trial["curves"])
    sns.lineplot(
        rows, x="share", y="sites", hue="ingredients", errorbar=("pi", 100), marker="o", ms=4, lw=1.2, ax=panel, legend=legend
    )
    panel.set(xscale="log", title=f"{trial['case']}\n{trial['examples']} examples", xlabel="share of pairs measured")
    shares = sorted(rows.share.unique())
    panel.set_xticks(shares, [f"{share:.3g}" for share in shares])
    panel.minorticks_off()
    if legend:
        panel.legend(frameon=False, fontsize=6.5)


def _against_time(panel: Axes, trial: Trial) -> None:
    times = pd.DataFrame(trial["timings"])
    times["seconds"] /= times[times.share == 1].seconds.median()
    panel.plot(times.seconds, times.sites, ".", color="#2166ac", ms=5)
    panel.set(xscale="log", xlabel="time, of the exact engine's")
    panel.set_xticks([0.1, 0.2, 0.5, 1.0], ["10 %", "20 %", "50 %", "100 %"], fontsize=7)
    panel.minorticks_off()


def table(trials: list[Trial]) -> pd.DataFrame:
    """A row per network."""
    shown = []
    for trial in trials:
        rows, times = pd.DataFrame(trial["curves"]), pd.DataFrame(trial["timings"])
        whole = times[times.share == 1].seconds.median()
        row: dict[str, str] = {"network": trial["case"], "maps": f"{trial['maps']:,}", "examples": f"{trial['examples']:,}"}
        best = rows[rows.ingredients == list(rows.ingredients)[-1]]
        for share, part in best.groupby("share"):
            taken = times[np.isclose(times.share, share)].seconds.median()
            row[f"Spearman at {share:.3g}"] = f"{part.sites.mean():.3f} ({part.sites.min():.3f} to {part.sites.max():.3f})"
            row[f"times as fast, {share:.3g}"] = f"{whole / taken:.1f}"
        for found in trial["coverage"]:
            held = f"{found['mean']:.3f} ({found['least covered tenth']:.3f})"
            row[f"intervals hold, {found['share']:.3g}"] = held
        for promise in trial["promises"]:
            row[f"promised {promise['spearman']:g}"] = f"kept {promise['kept']:.0%} at {promise['share']:.1%}"
        shown.append(row)
    return pd.DataFrame(shown)


def _caption(trials: list[Trial]) -> str:
    first = trials[0]
    repeats = max(row["seed"] for row in first["curves"]) + 1
    counted = first["coverage"][0]
    return (
        "Above: the mean over sites of the Spearman of estimated with measured oracle_abs of the very same examples, for a"
        " plain subsample and with each ingredient added in turn (predictions from one backward pass; pairs drawn in"
        " proportion to how far off those may be; rounds, later ones where ranks are open; predictions learnt from what was"
        " measured). Line:"
        f" mean of {repeats} estimated oracles drawn from the measured one, band: their range. Below: really measured, the"
        " backward pass included, by turns with the exact engine. Intervals hold: how often the 95 % interval of oracle_loss"
        " holds the measured oracle's, per map on average, and for the least covered tenth of the maps"
        f" ({counted['repeats']} repetitions; the share of pairs in the head). Promised: of runs that ended where a Spearman"
        f" was likely (95 %), how many had it, and what they measured. {first['device']}, {first['threads']} threads, torch"
        f" {first['versions']['torch']}, commits"
        f" {', '.join(sorted({trial['commit'][:12] for trial in trials}))}."
    )
