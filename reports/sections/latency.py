"""How fast pruned networks are: the speed-up that FLOPs suggest beside the measured one, as in the paper's table."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.reports.inputs.pruning_runs import PruningStudy
from pruning_oracle.reports.inputs.source import machine_of
from pruning_oracle.reports.sections.curves import spread
from pruning_oracle.reports.sections.section import Section


def section(pruned: PruningStudy) -> Section | None:
    """A bar of speed-up for every run, way to run the network and number of examples, and a table with milliseconds.

    None if no network was timed.
    """
    rows = latency_rows(pruned)
    if rows.empty:
        return None
    figure, panels = plt.subplots(
        1, rows.run.nunique(), figsize=(1.5 + 3.2 * rows.run.nunique(), 3.2), sharey=True, squeeze=False
    )
    for place, (panel, (name, part)) in enumerate(zip(panels[0], rows.groupby("run"), strict=True)):
        sns.barplot(part, x="examples", y="times as fast", hue="way", estimator="median", errorbar=("pi", 100), ax=panel)
        panel.axhline(part["fewer FLOPs"].median(), color="black", ls="--", lw=0.9)
        panel.annotate(
            "as many times fewer FLOPs", (0, part["fewer FLOPs"].median()), (0, 2), textcoords="offset points", fontsize=7
        )
        panel.set(title=name, xlabel="examples at a time")
        panel.legend(frameon=False, fontsize=7) if place == 0 else panel.get_legend().remove()
    sns.despine(figure)
    files = [file for files in pruned.latencies.values() for file in files]
    facts = files[0].facts
    missing = {
        f"{row['way']}, {row['batch']}: {row['missing']}" for file in files for row in file.facts["rows"] if "missing" in row
    }
    caption = (
        "Times as fast as the whole network, median and range over seeds, and (dashed) how many times fewer FLOPs: theory"
        " beside practice. Both networks take turns in one process, after passes to warm up; milliseconds are the median of"
        f" {min(passes(files))} to {max(passes(files))} passes with their 5th and 95th percentile, of the first seed."
        f" {machine_of(facts)}, torch {facts['versions']['torch']}, commit {facts['commit'][:12]}."
        + (f" Not to be had: {'; '.join(sorted(missing))}." if missing else "")
    )
    return Section(f"{pruned.folder}-latency", "How fast the pruned networks are", caption, figure, table(rows))


def passes(files: list[Any]) -> list[int]:
    """The numbers of passes behind the measured times, one for each row of the latency files."""
    return [row["passes"] for file in files for row in file.facts["rows"] if "passes" in row]


def latency_rows(pruned: PruningStudy) -> pd.DataFrame:
    """A row per run, seed, way to run the network and number of examples; `both` holds the two networks' own rows."""
    rows = []
    for name, files in pruned.latencies.items():
        for file in files:
            found = {(row["way"], row["batch"], row["network"]): row for row in file.facts["rows"] if "network" in row}
            fewer = file.facts["whole"]["flops"] / file.facts["pruned"]["flops"]
            for way, batch in dict.fromkeys((way, batch) for way, batch, _ in found):
                both = [found[way, batch, network] for network in ("whole", "pruned")]
                head = {"run": name, "seed": file.facts["seed"], "way": way, "examples": batch, "fewer FLOPs": fewer}
                rows.append(head | {"times as fast": both[0]["median"] / both[1]["median"], "both": both})
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `latency_rows` as readable text: speed-ups over seeds, and milliseconds of the first seed."""

    def milliseconds(row: dict[str, float]) -> str:
        low, middle, high = (f"{1e3 * row[name]:.3g}" for name in ("5 %", "median", "95 %"))
        return f"{middle} [{low}, {high}]"

    shown = []
    for (name, way, batch), part in rows.groupby(["run", "way", "examples"], sort=False):
        whole, small = part.both.iloc[int(np.argmin(part.seed))]
        row = {"run": name, "way": way, "examples": batch, "whole, ms": milliseconds(whole), "pruned, ms": milliseconds(small)}
        row["times as fast"] = spread(part["times as fast"].tolist(), "{:.1f}×")
        shown.append(row | {"fewer FLOPs": spread(part["fewer FLOPs"].tolist(), "{:.1f}×")})
    return pd.DataFrame(shown)
