"""How good estimated oracles are: Spearman with the measured oracle against pairs measured and against time, per network."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pruning_oracle.reports.inputs.source import machine_of
from pruning_oracle.reports.sections.section import Section

Trial = dict[str, Any]
ACROSS = 3  # networks side by side in the figure
NEAR = 1e-3  # the axis of Spearman is logarithmic in the distance from 1, down to this distance
TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
PANELS = (
    ("curves", "sites", "mean over sites"),
    ("curves", "all", "over all sites"),
    ("timings", "sites", "mean over sites"),
)


def section(trials: list[Trial]) -> Section | None:
    """Curves for each ingredient added in turn, with the range of repetitions; below them real measurements against time."""
    if not trials:
        return None
    return Section("estimated", "The estimated oracle", _caption(trials), _figure(trials), table(trials))


def _figure(trials: list[Trial]) -> Figure:
    """A column of panels for every network, one for each entry of PANELS, with the same scale of Spearman."""
    wide, high = min(len(trials), ACROSS), -(-len(trials) // ACROSS)
    figure, panels = plt.subplots(len(PANELS) * high, wide, figsize=(1 + 2.7 * wide, 2.2 * len(PANELS) * high), squeeze=False)
    for place in range(wide * high):
        row, column = divmod(place, wide)
        own = panels[len(PANELS) * row : len(PANELS) * (row + 1), column]
        if place >= len(trials):
            for panel in own:
                panel.remove()
            continue
        for panel, (measured, scope, label) in zip(own, PANELS, strict=True):
            draw = _against_time if measured == "timings" else _against_pairs
            draw(panel, trials[place], scope)
            lowest = min(found[scope] for trial in trials for found in trial[measured])
            panel.set_yscale("function", functions=(_stretched, lambda at: 1 + NEAR - 10**-at))
            panel.set_yticks([tick for tick in TICKS if tick > lowest])
            panel.set_ylim(lowest - 0.1 * (1 - lowest), 1)
            panel.set_ylabel("" if column else f"Spearman,\n{label}")
        own[0].set_title(f"{trials[place]['case']}\n{trials[place]['examples']} examples")
    handles = [Line2D([], [], color=color, label=name) for name, color in _colors(trials[0]).items()]
    figure.legend(handles=handles, frameon=False, loc="outside upper center", ncols=len(handles))
    sns.despine(figure)
    return figure


def _stretched(spearman: np.ndarray) -> np.ndarray:
    """The scale of the Spearman axis, which widens towards 1, where differences matter."""
    return -np.log10(np.maximum(1 + NEAR - spearman, NEAR))


def _colors(trial: Trial) -> dict[str, Any]:
    """The colour of each ingredient, the same in every panel."""
    names = dict.fromkeys(row["ingredients"] for row in trial["curves"])
    return dict(zip(names, sns.color_palette(n_colors=len(names)), strict=True))


def _against_pairs(panel: Axes, trial: Trial, scope: str) -> None:
    """Draws Spearman against the share of pairs measured: mean and range of the repetitions, a line per ingredient."""
    rows = pd.DataFrame(trial["curves"])
    look: dict[str, Any] = {"palette": _colors(trial), "marker": "o", "ms": 4, "lw": 1.2, "legend": False}
    sns.lineplot(rows, x="share", y=scope, hue="ingredients", errorbar=("pi", 100), ax=panel, **look)
    panel.set(xscale="log", xlabel="share of pairs measured")
    shares = sorted(rows.share.unique())
    panel.set_xticks(shares, [f"{share:.3g}" for share in shares])
    panel.minorticks_off()


def _against_time(panel: Axes, trial: Trial, scope: str) -> None:
    """Draws Spearman against time, as a share of the exact engine's: a dot per turn, and a line through the medians."""
    times, colors = pd.DataFrame(trial["timings"]), _colors(trial)
    times["seconds"] /= times[times.share == 1].seconds.median()
    for name, color in colors.items():
        part = times[times.ingredients == name]
        panel.plot(part.seconds, part[scope], ".", color=color, ms=4)
        middle = part.groupby("share")[["seconds", scope]].median()
        panel.plot(middle.seconds, middle[scope], "-", color=color, lw=1.2)
    panel.set(xscale="log", xlabel="time, of the exact engine's")
    panel.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5, 1.0], ["2 %", "5 %", "10 %", "20 %", "50 %", "100 %"], fontsize=7)
    panel.set_xlim(0.8 * times.seconds.min(), max(1.0, 1.1 * times.seconds.max()))
    panel.minorticks_off()


def table(trials: list[Trial]) -> pd.DataFrame:
    """A row per network: Spearman and speed at each share of pairs, coverage of intervals, and promises kept."""
    shown = []
    for trial in trials:
        rows, times = pd.DataFrame(trial["curves"]), pd.DataFrame(trial["timings"])
        whole = times[times.share == 1].seconds.median()
        row: dict[str, str] = {"network": trial["case"], "maps": f"{trial['maps']:,}", "examples": f"{trial['examples']:,}"}
        last = list(rows.ingredients)[-1]
        for share, part in rows[rows.ingredients == last].groupby("share"):
            taken = times[np.isclose(times.share, share) & (times.ingredients == last)].seconds.median()
            row[f"Spearman at {share:.3g}"] = f"{part.sites.mean():.3f} ({part.sites.min():.3f} to {part.sites.max():.3f})"
            row[f"over all sites, {share:.3g}"] = f"{part['all'].mean():.3f}"
            if np.isfinite(taken):
                row[f"times as fast, {share:.3g}"] = f"{whole / taken:.1f}"
        for found in trial["coverage"]:
            tenth = f"{found['least covered tenth']:.3f}; {found['least covered tenth, in other runs']:.3f}"
            held = f"{found['mean']:.3f} ({tenth})"
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
        "Spearman of estimated with measured oracle_abs of the very same examples, mean over sites, below it over all sites"
        " at once, for a plain subsample and with each ingredient added in turn (predictions from one backward pass; pairs"
        " drawn in proportion to how far off those may be; rounds, later ones where ranks are open; predictions learnt from"
        " what was measured). Line:"
        f" mean of {repeats} estimated oracles drawn from the measured one, band: their range. Lowest: really measured, the"
        " backward pass included where there is one, by turns with the exact engine (a dot per turn, lines through medians)."
        " Intervals hold: how often the 95 % interval of oracle_loss holds the measured oracle's, per map on average,"
        " and for the least covered tenth of the maps:"
        " as chosen by the very runs that are counted, and as chosen by one half of them and counted in the other"
        f" ({counted['repeats']} repetitions; the share of pairs in the head). Promised: of runs that ended where a Spearman"
        f" was likely (95 %), how many had it, and what they measured. {machine_of(first)}, torch"
        f" {first['versions']['torch']}, commits"
        f" {', '.join(sorted({trial['commit'][:12] for trial in trials}))}."
    )
