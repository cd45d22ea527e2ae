"""SetStudy: a study of sets as every place shows it, the page, papers and comparisons of networks; made from runs alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pruning_oracle.bench.terminal import one_line
from pruning_oracle.reports.inputs.colours import looks
from pruning_oracle.reports.inputs.definitions import definitions, families
from pruning_oracle.reports.sections.section import CaseStudy, Section
from pruning_oracle.reports.sets.table import MeasuredTable

NATS, PLAIN, COUNT, PERCENT = "nats", "number", "count", "percent"  # how numbers are written: see `written`
MEASURED = "#767676"  # of choosers that are no criterion
MARKERS = {"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D"}


@dataclass(frozen=True)
class Column:
    """A column of a study's table: the field of its rows, its heading and, of numbers, how they are written."""

    field: str
    title: str
    form: str = ""


@dataclass(frozen=True)
class Choice:
    """A field of which a reader looks at one value at a time, and that which is shown first."""

    field: str
    label: str
    first: str


@dataclass(frozen=True)
class SetStudy:
    """What a study of sets found on one network.

    `rows` are tidy: `what` a row speaks of, its `value` with `from` and `to`, the range over seeds or, of one seed, a 95 %
    interval, and `seeds`; beside further fields that its chart, its choices and its columns name. `summary` are rows of the
    same kind by which networks are compared (default: `rows`), with `compared` as the title of their values.
    """

    name: str  # in links and names of files
    title: str
    finding: str
    how: str
    chart: str
    axis: str  # the title of `value`
    rows: pd.DataFrame
    columns: Sequence[Column]
    choices: Sequence[Choice] = ()
    summary: pd.DataFrame | None = None
    form: str = NATS
    note: str = ""

    def section(self, figure: Figure) -> Section:
        """The section of a report, with a figure for papers; its table has the rows that a reader sees first."""
        rows, known = self.rows, [one for one in self.choices if one.field in self.rows]
        for one in known:
            rows = rows[rows[one.field] == one.first]
        table = pd.DataFrame({of.title: [self._cell(row, of) for row in rows.to_dict("records")] for of in self.columns})
        shown = f"In the table, {', '.join(f'{one.label.lower()}: {one.first}' for one in known)}."
        return Section(f"sets-{self.name}", self.title, " ".join((self.finding, self.note, self.how, shown)), figure, table)

    def _cell(self, row: dict[Any, Any], column: Column) -> str:
        if column.field == "value":
            return spread(row, column.form)
        value = row[column.field]
        return written(value, column.form) if column.form else one_line(str(value))


def written(value: float, form: str) -> str:
    """A number as text: three digits that count, two decimals, a whole one or a percentage; `undefined` if it is NaN."""
    if pd.isna(value):
        return "undefined"
    ways = {NATS: f"{value:#.3g}".rstrip("."), PLAIN: f"{value:.2f}", COUNT: f"{value:.0f}", PERCENT: f"{100 * value:g} %"}
    return ways[form].replace("-", "−")


def spread(row: Any, form: str = NATS) -> str:
    """The `value` of a row with its range over seeds in parentheses, or its 95 % interval in brackets."""
    value, low, high = (written(float(row[name]), form) for name in ("value", "from", "to"))
    if value == "undefined" or low == "undefined":
        return value
    return f"{value} ({low} to {high})" if int(row["seeds"]) > 1 else f"{value} [{low}, {high}]"


def how_measured(table: MeasuredTable) -> str:
    """On how many examples and seeds a study was measured, what its intervals are, and on which machine."""
    facts, seeds = table.facts[0], len(table.facts)
    ends = f"Median and range over {seeds} seeds" if seeds > 1 else "One seed, with 95 % intervals"
    return (
        f"{ends}; n = {int(table.rows.n.iloc[0])} training examples that neither oracle nor criteria saw; {facts['precision']}"
        f" on {facts['device']}, commit {facts['commit'][:12]}."
    )


def percent(share: float, of: str) -> str:
    """A share as text, such as `5 % of all sites`."""
    return f"{share * 100:g} % of {of}"


def first_near(values: Sequence[str], wanted: str) -> str:
    """The wanted one of some values, or the first."""
    return wanted if wanted in values else values[0]


def look(study: CaseStudy, chooser: str) -> tuple[str, str]:
    """The colour and the marker of a chooser in figures for papers: those of its family, or grey crosses if measured."""
    known = {one["name"]: one for one in looks(families())}
    if chooser not in study.runs[0].criteria.facts["criteria"]:
        return MEASURED, "X"
    defined = definitions().get(chooser)
    of = known[defined.family if defined else families()[-1]]
    return of["light"], MARKERS[of["shape"]]


def dots(study: CaseStudy, panels: dict[str, pd.DataFrame], axis: str, lines: dict[str, float], first: str) -> Figure:
    """Panels of values with their ranges, a row for each `what`, in the order of the `first` panel; `lines` are dashed."""
    order = list(dict.fromkeys(what for rows in (panels[first], *panels.values()) for what in rows.what))
    size = (2.2 + 2.1 * len(panels), 1.2 + 0.155 * len(order))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for panel, (title, rows) in zip(axes[0], panels.items(), strict=True):
        for row in rows.dropna(subset="value").to_dict("records"):
            colour, marker = look(study, row["what"])
            place = order.index(row["what"])
            panel.plot([row["from"], row["to"]], [place, place], color=colour, lw=0.9)
            panel.plot(row["value"], place, marker, color=colour, ms=3.5)
        panel.set(title=title, xlabel=axis)
        panel.title.set_fontsize(8)
        panel.grid(axis="y", lw=0.3)
        if title in lines:
            panel.axvline(lines[title], color="0.3", lw=0.8, ls="--")
        sns.despine(ax=panel)
    axes[0, 0].set_yticks(range(len(order)), [one_line(name) for name in order], fontsize=6)
    axes[0, 0].set_ylim(len(order) - 0.4, -0.6)
    return figure


def per_panel(count: int, draw: Callable[[int, Axes], None], width: float = 2.4, height: float = 2.4, most: int = 4) -> Figure:
    """So many panels in rows of at most `most`, drawn one by one."""
    columns = min(count, most)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    for place, panel in enumerate(axes.flat):
        panel.set_visible(place < count)
        if place < count:
            draw(place, panel)
            sns.despine(ax=panel)
    return figure
