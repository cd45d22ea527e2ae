"""Study and Section: what a section of the report reads, and what it gives the renderer."""

from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.reports.agreement.grade import ALL, MEAN
from pruning_oracle.reports.inputs.read import Run

SCOPES = ((MEAN, "none"), (ALL, "none"), (ALL, "l2"))  # the paper's three summaries of a network


@dataclass(frozen=True)
class CaseStudy:
    """Everything known of one case: its runs, one per seed, their agreement rows, and the first seed's maps."""

    case: str
    runs: list[Run]
    agreement: pd.DataFrame
    maps: pd.DataFrame
    training: list[RunFile] = field(default_factory=list)  # learning curves of the seeds that were fine-tuned here

    @property
    def sites(self) -> list[str]:
        """Site names in the network's order."""
        return self.runs[0].sites

    @property
    def criteria(self) -> list[str]:
        """Criteria, those that agree best with oracle_abs on fresh examples first."""
        rows = self.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs' and examples == 'fresh'")
        medians = rows.groupby("criterion").spearman.median().fillna(-2)  # an undefined agreement comes last
        return sorted(medians.index, key=lambda name: (-medians[name].round(9), name))

    @property
    def said(self) -> str:
        """From what the figures of this case come, for captions."""
        facts = self.runs[0].oracle.facts
        seeds = f"{len(self.runs)} seed" + ("" if len(self.runs) == 1 else "s")
        known = f"{facts['examples']} training examples per seed, {seeds}, {facts['precision']} on {facts['device']}"
        return known + self.runs[0].estimated


@dataclass(frozen=True)
class Section:
    """A part of the report: a table, a figure and a caption; the renderer alone touches the disk."""

    name: str  # for file names: letters, digits and hyphens
    title: str
    caption: str
    figure: Figure | None = None
    table: pd.DataFrame | None = None


def number(value: float) -> str:
    """A correlation as people read it; NaN is `undefined`, never 0."""
    return "undefined" if pd.isna(value) else f"{value:.2f}".replace("-", "−")


def over_seeds(rows: pd.DataFrame) -> str:
    """The median of the seeds with their range; of a single seed, its 95 % interval over examples."""
    if len(rows) == 1:
        row = rows.iloc[0]
        return number(row.spearman) if pd.isna(row.low) else f"{number(row.spearman)} [{number(row.low)}, {number(row.high)}]"
    median = rows.spearman.median()
    return (
        number(median)
        if pd.isna(median)
        else f"{number(median)} ({number(rows.spearman.min())} to {number(rows.spearman.max())})"
    )
