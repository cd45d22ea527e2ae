"""Accuracy (where undefined, the loss) against maps left and against FLOPs left, a line per run, and a table of results."""

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.inputs.pruning_runs import PruningStudy, Step
from pruning_oracle.reports.sections.section import Section

QUANTITIES = {"maps": "maps left", "flops": "FLOPs left"}
POINTS = 101


def judge(pruned: PruningStudy) -> str:
    """What judges the networks of a study: `accuracy`, or `loss` where an accuracy is undefined."""
    every = [row["test_accuracy"] for name in pruned.runs for rows in pruned.rows(name) for row in rows]
    return "loss" if any(map(math.isnan, every)) else "accuracy"


def accuracy_curve(rows: list[Step], quantity: str, grid: np.ndarray, by: str = "accuracy") -> np.ndarray:
    """Test accuracy of one run at each share of a quantity in `grid`: linear between steps, NaN below the last step's share.

    `by` may name the loss instead, as `judge` does.
    """
    share = np.array([row[quantity] / rows[0][quantity] for row in rows])
    height = np.array([row[f"test_{by}"] for row in rows])
    found = np.interp(grid, share[::-1], height[::-1])
    return np.where(grid < share[-1] - 1e-9, np.nan, found)


def grid_of(pruned: PruningStudy, quantity: str) -> np.ndarray:
    """POINTS shares of a quantity, from 1 (the whole network) down to the lowest share that every run reached."""
    ends = [rows[-1][quantity] / rows[0][quantity] for name in pruned.runs for rows in pruned.rows(name) if len(rows) > 1]
    least = max(ends, default=1.0)
    return np.linspace(1, least, POINTS)


def area(rows: list[Step], quantity: str, grid: np.ndarray, by: str = "accuracy") -> float:
    """Mean test accuracy (or loss) over the shares in `grid`: the area under the curve, divided by its width."""
    return float(accuracy_curve(rows, quantity, grid, by).mean())


def section(pruned: PruningStudy, title: str = "") -> Section:
    """A line per run name, the median over seeds, with a band for their range; below it the table of results."""
    by = judge(pruned)
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    colours = dict(zip(pruned.runs, sns.color_palette("colorblind", len(pruned.runs)), strict=True))
    for panel, (quantity, label) in zip(panels, QUANTITIES.items(), strict=True):
        for name, colour in colours.items():
            lowest = max(rows[-1][quantity] / rows[0][quantity] for rows in pruned.rows(name))
            grid = np.linspace(1, lowest, POINTS)
            lines = np.stack([accuracy_curve(rows, quantity, grid, by) for rows in pruned.rows(name)])
            panel.plot(grid, np.median(lines, 0), color=colour, label=name, lw=1.4)
            panel.fill_between(grid, lines.min(0), lines.max(0), color=colour, alpha=0.15, lw=0)
        panel.set(xlabel=label)
        panel.invert_xaxis()
        panel.xaxis.set_major_formatter(lambda value, place: f"{value:.0%}")
    panels[0].set(ylabel=f"test {by}")
    panels[0].legend(frameon=False, fontsize=7, loc="lower left")
    sns.despine(figure)
    title = title or f"{by.capitalize()} against what is left"
    return Section(f"{pruned.folder}-curves", title, _caption(pruned), figure, table(pruned))


def table(pruned: PruningStudy) -> pd.DataFrame:
    """The results of every run name, as medians over seeds with their range, sorted by the area over FLOPs."""
    grids, by = {quantity: grid_of(pruned, quantity) for quantity in QUANTITIES}, judge(pruned)
    rows = []
    for name, files in pruned.runs.items():
        steps, whole = pruned.rows(name), [file.facts["rows"] for file in files]
        row: dict[str, str] = {"run": name}
        for quantity, label in QUANTITIES.items():
            row[f"area, {label}"] = spread([area(found, quantity, grids[quantity], by) for found in steps], "{:.3f}")
        row[f"{by} before"] = spread([found[0][f"test_{by}"] for found in steps], "{:.3f}")
        row["pruned"] = spread([found[-1][f"test_{by}"] for found in steps], "{:.3f}")
        row["and fine-tuned"] = spread([found[-1][f"test_{by}"] for found in whole], "{:.3f}")
        if name in pruned.scratch:
            row["from nothing"] = spread([file.facts["scratch"][by] for file in pruned.scratch[name]], "{:.3f}")
        row["maps left"] = spread([found[-1]["maps"] / found[0]["maps"] for found in steps], "{:.0%}")
        row["fewer FLOPs"] = spread([found[0]["flops"] / found[-1]["flops"] for found in steps], "{:.1f}×")
        row["fewer parameters"] = spread([found[0]["parameters"] / found[-1]["parameters"] for found in steps], "{:.1f}×")
        spent = [sum(step["seconds"].get("scoring", 0) for step in found) for found in steps]
        learned = [sum(step["seconds"].get("learning", 0) for step in found) for found in steps]
        shares = [ranking / learning for ranking, learning in zip(spent, learned, strict=True) if learning > 0.1 * ranking]
        took = [sum(sum(step["seconds"].values()) for step in found[1:]) / max(1, len(found) - 1) for found in steps]
        row["s per removal"] = spread(took, "{:.2g}")
        row["ranking, of the learning's time"] = spread(shares, "{:.1%}") if shares else "—"
        stopped = [file.facts["why"] for file in files if file.facts["why"]]
        row["and fine-tuned"] += f" ({len(stopped)} stopped: {stopped[0]})" if stopped else ""
        rows.append((float(np.median([area(found, "flops", grids["flops"], by) for found in steps])), row))
    return pd.DataFrame([row for _, row in sorted(rows, key=lambda pair: pair[0] if by == "loss" else -pair[0])]).fillna("—")


def spread(values: list[float], form: str) -> str:
    """The median of some values as text, with their range if they differ; `form` formats a number, such as `{:.2f}`."""
    low, middle, high = (form.format(value) for value in (min(values), float(np.median(values)), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _caption(pruned: PruningStudy) -> str:
    """A caption that states the settings of the runs, with all values where they differ."""
    every, by = [files[0].facts["settings"] for files in pruned.runs.values()], judge(pruned)

    def said(name: str) -> str:
        return " or ".join(str(value) for value in sorted({settings[name] for settings in every}))

    nothing = " From nothing: the architecture that was found, trained by the case's own recipe." if pruned.scratch else ""
    undefined = " In nats: an accuracy is undefined here." if by == "loss" else ""
    repairs = {
        (settings["repair"], settings["repair_examples"]) for settings in every if settings.get("repair", "none") != "none"
    }
    mended = "".join(
        f" After every removal the network is repaired ({name}) from {count} training examples that nothing else sees."
        for name, count in sorted(repairs)
    )
    own = (
        "gathered in the updates themselves"
        if any(known["updates"] and not known["examples"] for known in every)
        else "passes of their own"
    )
    return (
        f"Test {by} while maps are deleted, {said('remove')} at a time with {said('updates')} updates in between (SGD, rate"
        f" {said('rate')}, momentum {said('momentum')}, weight decay {said('weight_decay')}, batches of {said('batch')}); line:"
        " median over seeds, band: their range. Areas are means over the range that all runs reached, the table is"
        " sorted by the one over FLOPs. The last networks are shown as they were pruned and after"
        f" {said('final_updates')} further updates, whose rate falls to 0. Ranking is what scores take beside the updates; what"
        f" criteria need is {own}, the oracles are measured. It is measured on the test set, which chose nothing but where a"
        f" run with an accuracy as its target stops.{undefined}{nothing}{mended} {pruned.said}."
    )
