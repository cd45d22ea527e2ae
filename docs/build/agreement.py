"""The agreement of criteria with the oracle on every network that a committed record speaks of."""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from pruning_oracle.docs.build.pictures import picture
from pruning_oracle.reports.inputs.records import ROOT
from pruning_oracle.reports.inputs.tables import markdown

CEILING = "noise ceiling"
FRESH = "fresh, per site"
RANGE = re.compile(r"\d \([−\d.%× to]+\)|\d \[[−\d., ]+\]")
EMBEDDED = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")


def markdown_rows(text: str) -> pd.DataFrame:
    """A table in Markdown as a table of texts, without the marks behind names."""
    head, _, *rows = (line for line in text.splitlines() if line.startswith("|"))
    cells = [[cell.strip().removesuffix(" †") for cell in row.strip("|").split("|")] for row in (head, *rows)]
    return pd.DataFrame(cells[1:], columns=cells[0])


@functools.cache
def recorded() -> pd.DataFrame:
    """A row per case, oracle and criterion, each from the newest record that holds it, with the record's folder."""
    files = sorted(ROOT.glob("*/agreement*.md"))
    every = pd.concat([markdown_rows(file.read_text("utf-8")).assign(record=file.parent.name) for file in files])
    return every.drop_duplicates(["case", "oracle", "criterion"], keep="last", ignore_index=True)


def cases() -> list[str]:
    """The networks that records speak of: the embedded ones first."""
    return [*EMBEDDED, *sorted(set(recorded().case) - set(EMBEDDED))]


def spearman(case: str, criterion: str, column: str = FRESH, oracle: str = "oracle_abs") -> str:
    """An entry of a record as text, such as `0.92 (0.92 to 0.92)`; `unavailable` if the criterion is not in it."""
    known = recorded()
    found = known[(known.case == case) & (known.oracle == oracle) & (known.criterion == criterion)]
    if case not in set(known.case):
        raise ValueError(f"no record speaks of {case!r}; there are {', '.join(cases())}")
    return str(found[column].iloc[0]) if len(found) else "unavailable"


def number(text: str) -> float:
    """The number that an entry begins with; NaN where it begins with none."""
    found = re.match(r"[−-]?\d+(\.\d+)?", text)
    return float(found[0].replace("−", "-")) if found else float("nan")


def criteria(ordered_by: Sequence[str] = EMBEDDED) -> list[str]:
    """Every criterion in the records, ordered by its mean agreement on some cases; what is unavailable there comes last."""
    names = [name for name in recorded().criterion.unique() if name != CEILING]
    means = {name: np.nanmean([-1.0, *(number(spearman(case, name)) for case in ordered_by)]) for name in names}
    return sorted(names, key=lambda name: -means[name])


def table(of: Sequence[str], names: Sequence[str] = (), column: str = FRESH) -> pd.DataFrame:
    """A row per criterion, a column per case, the ceiling last."""
    chosen = [*(names or criteria(of)), CEILING]
    entries = [{case: spearman(case, name, column) for case in of} for name in chosen]
    return pd.DataFrame([{"criterion": titled(name)} | row for name, row in zip(chosen, entries, strict=True)])


def titled(name: str) -> str:
    """A criterion's name as code, a control's as words."""
    return name if " " in name else f"`{name}`"


def unbroken(table: str) -> str:
    """A table in Markdown in which a figure and its range stay on one line."""
    return RANGE.sub(lambda found: found[0].replace(" ", "&nbsp;"), table)


def agreement_table(*of: str, names: Sequence[str] = (), column: str = FRESH) -> str:
    """`table` as Markdown, with where it comes from."""
    sources = "; ".join(provenance(case) for case in of)
    return f"{unbroken(markdown(table(of, names, column), disable_numparse=True))}\n\n<small>{sources}.</small>"


@functools.cache
def facts_of(case: str) -> list[dict[str, Any]]:
    """What the runs were measured with of which a case's record tells, one per seed."""
    folder = ROOT / str(recorded().query("case == @case").record.iloc[0])
    own = folder / f"{case}.json"
    if own.is_file():
        return [json.loads(own.read_text("utf-8"))]
    runs = json.loads((folder / "provenance.json").read_text("utf-8"))["runs"]
    return [facts for name, facts in runs.items() if name.split(" seed ")[0] == case]


def provenance(case: str) -> str:
    """From what a case's figures come, in one line; criteria that came later have a record of their own."""
    facts = facts_of(case)
    first, folder = facts[0], Path(str(recorded().query("case == @case").record.iloc[0])).name
    seeds = f"{len(facts)} seed" + ("" if len(facts) == 1 else "s")
    counts = recorded().query("case == @case").groupby("record").criterion.nunique()
    later = [f", {count} criteria from reports/records/{name}" for name, count in counts.items() if name != folder]
    guessed = f", oracle estimated ({first['estimated']['goal']})" if first.get("estimated") else ""
    return (
        f"{case}: {first['examples']:,} training examples{guessed}, {seeds}, {first['precision']}, torch"
        f" {first['versions']['torch']} on {first['device'].removesuffix(' Processor')}, commit {first['commit']},"
        f" {first['when'][:10]}, reports/records/{folder}{''.join(later)}"
    )


def order_figure(names: Sequence[str]) -> str:
    """A heat map, criterion × network, of Spearman on fresh examples; the best of every network is framed."""
    values = np.array([[number(spearman(case, name)) for case in cases()] for name in names])
    labels = [f"{case}\n(ceiling {spearman(case, CEILING)})" for case in cases()]
    figure, panel = plt.subplots(figsize=(1.6 + 0.72 * len(labels), 1.5 + 0.26 * len(names)))
    look = {"cmap": "RdBu", "vmin": -1, "vmax": 1, "annot": True, "fmt": ".2f", "annot_kws": {"fontsize": 7}, "cbar": False}
    sns.heatmap(values, xticklabels=labels, yticklabels=list(names), ax=panel, **look)
    for column in range(values.shape[1]):
        best = int(np.nanargmax(values[:, column]))
        panel.add_patch(Rectangle((column, best), 1, 1, fill=False, ec="black", lw=1.6))
    panel.tick_params(axis="x", rotation=45, labelsize=7)
    plt.setp(panel.get_xticklabels(), ha="right", rotation_mode="anchor")
    panel.tick_params(axis="y", rotation=0)
    says = "Heat map of Spearman with the oracle, criterion by network: another criterion is best on almost every network."
    return picture(figure, "order-of-criteria", says)
