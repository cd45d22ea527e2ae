"""CaseStudy, which a section of the report reads, and Section, which it returns to the renderer."""

from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.reports.agreement.noise_ceiling import ALL, MEAN
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sets.table import MeasuredTable

SCOPES = ((MEAN, "none"), (ALL, "none"), (ALL, "l2"))  # the paper's three summaries of a network


@dataclass(frozen=True)
class CaseStudy:
    """Everything about one case: its runs, one per seed, their agreement tables together, and its first seed's maps."""

    case: str
    runs: list[Run]
    agreement: pd.DataFrame
    maps: pd.DataFrame
    training: list[RunFile] = field(default_factory=list)  # learning curves of seeds that this suite fine-tuned
    quarter: pd.DataFrame | None = None  # what a quarter of each site costs by every chooser, at every seed that has it
    sets: MeasuredTable | None = None  # of the seeds whose chosen sets were measured
    studies: dict[str, MeasuredTable] = field(default_factory=dict)  # of sets, by their names in `reports/sets/studies.py`
    foretold: pd.DataFrame | None = None  # what `foretell` wrote of the case at these seeds

    @property
    def sites(self) -> list[str]:
        """Site names in the network's order."""
        return self.runs[0].sites

    @property
    def criteria(self) -> list[str]:
        """Criteria, ordered by their agreement with oracle_abs on fresh examples, best first."""
        rows = self.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
        medians = rows.groupby("criterion").spearman.median().fillna(-2)  # an undefined agreement comes last
        return sorted(medians.index, key=lambda name: (-medians[name].round(9), name))

    @property
    def scored(self) -> str:
        """How many examples the criteria scored, to which their costs refer."""
        return f"{self.runs[0].criteria.facts['shared']['examples']:,}"

    @property
    def said(self) -> str:
        """What the case's numbers were measured with, for captions: examples, seeds, precision and device."""
        facts = self.runs[0].oracle.facts
        seeds = f"{len(self.runs)} seed" + ("" if len(self.runs) == 1 else "s")
        known = f"{facts['examples']} training examples per seed, {seeds}, {facts['precision']} on {facts['device']}"
        return known + self.runs[0].filled + self.runs[0].estimated


@dataclass(frozen=True)
class Section:
    """A part of the report: a caption with a figure, a table or both; only the renderer writes files."""

    name: str  # for file names: letters, digits and hyphens
    title: str
    caption: str
    figure: Figure | None = None
    table: pd.DataFrame | None = None


def number(value: float, decimals: int = 2) -> str:
    """A correlation, or another figure, as text; NaN gives `undefined`, never 0."""
    return "undefined" if pd.isna(value) else f"{value:.{decimals}f}".replace("-", "−")


def over_seeds(rows: pd.DataFrame, column: str = "spearman", decimals: int = 2) -> str:
    """A column of some rows, one per seed, as text: median with range; for a single seed, with its 95 % interval."""

    def said(value: float) -> str:
        return number(value, decimals)

    values = rows[column]
    if len(rows) == 1:
        row = rows.iloc[0]
        return said(values.iloc[0]) if pd.isna(row.low) else f"{said(values.iloc[0])} [{said(row.low)}, {said(row.high)}]"
    median = values.median()
    return said(median) if pd.isna(median) else f"{said(median)} ({said(values.min())} to {said(values.max())})"
