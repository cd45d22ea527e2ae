"""How fast the oracle is measured: the replay engine against the literal engine and against captum."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.inputs.records import RIVALS, Record, engines
from pruning_oracle.reports.sections.section import Section

COLOURS = dict(zip(RIVALS, ("#2166ac", "#b2182b"), strict=True))
MISSING = "not timed"


def section(record: Record) -> Section | None:
    """A bar of speed-up per network and rival, and a table with times, arithmetic rates and peak memory.

    None if the record has no timing of the fast engine.
    """
    table = engines(record)
    if table.empty:
        return None
    figure, panel = plt.subplots(figsize=(7, 0.8 + 0.5 * len(table)))
    for shift, (rival, colour) in zip((0.19, -0.19), COLOURS.items(), strict=True):
        place = [row - shift for row in range(len(table))]
        panel.barh(place, table[rival], 0.34, color=colour, label=f"times as fast as {rival}")
        for at, value in zip(place, table[rival], strict=True):
            if not pd.isna(value):
                panel.annotate(f"{value:.1f}", (value, at), (3, 0), textcoords="offset points", va="center", fontsize=7)
    panel.set(yticks=range(len(table)), yticklabels=table.network, xlabel="times as fast")
    panel.invert_yaxis()
    panel.legend(frameon=False, loc="lower right")
    sns.despine(ax=panel)
    caption = (
        "Time for the same removals: the replay engine against the literal one and against captum's LayerFeatureAblation at its"
        " best perturbations_per_eval, interleaved in one process, median of three turns (range). Where a network has too many"
        " maps, every n-th is timed, and the passes that literal and captum make once per site, a trifle with all maps, are"
        " taken off their time. replay has planned before the clock starts, as a run does once. What arithmetic allows is the"
        " operations of literal over those of replay, in convolutions and matrix products, where maps that are zero cost replay"
        " none; rates are replay's, against a 4,096 × 4,096 matrix product in the same run. Memory is beyond what the process"
        f" held with the network loaded. Networks without a name of our own have random weights. {record.said}."
    )
    return Section("speed", "How fast the truth is", caption, figure, _readable(table))


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    shown = table[["network"]].copy()
    shown["maps timed"] = [f"{row['maps']:,} of {row['of maps']:,}" for _, row in table.iterrows()]
    shown["examples"] = table.examples
    for rival in RIVALS:
        shown[f"× {rival}"] = [
            MISSING if pd.isna(r[rival]) else f"{r[rival]:.1f} ({r[f'{rival} low']:.1f} to {r[f'{rival} high']:.1f})"
            for _, r in table.iterrows()
        ]
    shown["arithmetic allows, × literal"] = table["arithmetic allows"].map("{:.1f}".format)
    shown["literal, s"] = table["literal, s"].map("{:.1f}".format).replace("nan", MISSING)
    shown["replay, s"] = table["replay, s"].map("{:.2f}".format)
    rates = zip(table["GFLOP/s"], table["share of a matrix product"], strict=True)
    shown["GFLOP/s (of a matrix product)"] = [f"{rate:.0f} ({share:.0%})" for rate, share in rates]
    for way in ("replay", "literal"):
        shown[f"peak, {way}, MB"] = table[f"peak of {way}, MB"].map("{:.0f}".format)
    return shown
