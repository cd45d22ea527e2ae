r"""Agreement as LaTeX tables to `\input` into a paper: one that fits a column, and one of more figures that fits a page."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pruning_oracle.bench.runs.kinds import LATEX_TITLE
from pruning_oracle.reports.agreement.noise_ceiling import MEAN
from pruning_oracle.reports.inputs.site_names import shown_names
from pruning_oracle.reports.inputs.source import said_of_case, sentences, source
from pruning_oracle.reports.latex import comment, latex_text
from pruning_oracle.reports.sections.marks import MARK, legend, marked
from pruning_oracle.reports.sections.section import SCOPES, CaseStudy
from pruning_oracle.reports.sections.summaries import TITLES, random_range

CASES, ROWS = 3, 30  # at most, in one table: more would not fit a column of 234 pt, or its height
WHAT = (
    r"Spearman's rank correlation of pruning criteria with the oracle, the measured $|$mean change in loss$|$ on removing a map"
)
RANGE = r"Small figures: the range over seeds around their median; of a single seed, the 95\,\% interval over examples."
SCALED = {which: title.replace("ℓ2", r"$\ell_2$") for which, title in TITLES.items()}
TABLE = r"""
\begin{<environment>}
\centering\footnotesize\setlength{\tabcolsep}{3pt}\renewcommand{\arraystretch}{1.2}
\caption{<caption>}
\label{<label>}
\begin{tabularx}{\linewidth}{@{}>{\raggedright\arraybackslash}X*{<columns>}{>{\raggedleft\arraybackslash}p{5em}}@{}}
\toprule
<body>\bottomrule
\end{tabularx}
\par\smallskip\raggedright\scriptsize <note>
\end{<environment>}
"""


@dataclass(frozen=True)
class Column:
    """A column of a table: its head as LaTeX, and which rows of a case's agreement with oracle_abs it shows."""

    head: str
    study: CaseStudy
    examples: str = "fresh"
    scope: str = MEAN
    scaling: str = "none"

    @property
    def rows(self) -> pd.DataFrame:
        """A row per criterion and seed."""
        wanted = {"oracle": "oracle_abs", "examples": self.examples, "scope": self.scope, "scaling": self.scaling}
        return self.study.agreement.query(" and ".join(f"{name} == {value!r}" for name, value in wanted.items()))


def column_tables(studies: Sequence[CaseStudy]) -> str:
    """LaTeX that fits a column: Spearman on fresh examples, per site, of each criterion (rows) in each case (columns)."""
    caption, tables = f"{WHAT}: on fresh examples, within sites and averaged over them. {RANGE}", []
    heads = shown_names(study.case for study in studies)  # long ones are in full in the note
    for some in _parts(studies, CASES):
        columns = [Column(latex_text(heads[study.case], run=4), study) for study in some]
        random = _row(r"random, 95\,\%", [rf"$\pm{random_range(study):.2f}$" for study in some])
        tables += _tables(some, columns, {"environment": "table", "caption": caption}, random)
    return _file(studies, tables, "tab:pruning-oracle")


def page_tables(studies: Sequence[CaseStudy]) -> str:
    """LaTeX as wide as a page, a table per case: fresh and shared examples, per site and over all sites."""
    tables = []
    for study in studies:
        columns = [
            Column(f"{examples}, {SCALED[scope, scaling]}", study, examples, scope, scaling)
            for examples in ("fresh", "shared")
            for scope, scaling in SCOPES
        ]
        caption = f"{WHAT}: {latex_text(study.case, run=8)}. {RANGE}"
        tables += _tables([study], columns, {"environment": "table*", "caption": caption}, "")
    return _file(studies, tables, "tab:pruning-oracle-full")


def _tables(studies: Sequence[CaseStudy], columns: list[Column], how: dict[str, str], last: str) -> list[str]:
    """Tables of these columns, their criteria the best first, as many as fit a page; they still lack their labels."""
    found = pd.concat([Column("", study).rows for study in studies])
    medians = found.groupby(["criterion", "case"]).spearman.median().fillna(-2).groupby("criterion").mean()
    names = sorted(medians.index, key=lambda name: (-medians[name].round(9), name))
    cells = [{name: _cell(rows) for name, rows in column.rows.groupby("criterion")} for column in columns]
    dagger = {name for study in studies for name in names if MARK in marked(study, name)}
    ceilings = [_number(column.rows.groupby("seed").ceiling.first().median()) for column in columns]
    tables = []
    for part in _parts(names, ROWS):
        body = _row("criterion", [column.head for column in columns]) + "\\midrule\n"
        for name in part:
            shown = latex_text(name, run=8) + (r"\,$^\dagger$" if name in dagger else "")
            body += _row(shown, [of.get(name, "--") for of in cells])
        body += "\\midrule\n" + _row("noise ceiling", ceilings) + last
        unavailable = " --: unavailable there." if any(name not in of for name in part for of in cells) else ""
        text = TABLE.replace("<columns>", str(len(columns))).replace("<body>", body)
        for name, value in (how | {"note": _note(studies) + unavailable}).items():
            text = text.replace(f"<{name}>", value)
        tables.append(text)
    return tables


def _file(studies: Sequence[CaseStudy], tables: list[str], label: str) -> str:
    labels = [label if place == 0 else f"{label}-{place + 1}" for place in range(len(tables))]
    of = source([run for study in studies for run in study.runs])
    head = [
        LATEX_TITLE,
        r"Needs \usepackage{booktabs,tabularx}, and a column of 234 pt or a page of 390 pt, where you \input this file.",
        "Labels: " + ", ".join(labels),
        *sentences(of),
        f"To cite, copy what follows to a file of BibTeX (as `{of['cite']}` prints it for the version that is installed):",
        of["bibtex"],
    ]
    return comment("\n".join(head)) + "".join(map(lambda table, name: table.replace("<label>", name), tables, labels))


def _note(studies: Sequence[CaseStudy]) -> str:
    of = source([run for study in studies for run in study.runs])
    cases = "; ".join(f"{case}: {said_of_case(about)}" for case, about in of["cases"].items())
    return latex_text(f"Pruning Oracle {of['suite']}, commit {of['commit']}. {cases}.{legend(studies)}", run=8)


def _row(first: str, cells: Sequence[str]) -> str:
    return " & ".join([first, *cells]) + " \\\\\n"


def _cell(rows: pd.DataFrame) -> str:
    """The Spearman of some rows, one per seed: the median, with its range or interval as small figures."""
    median = rows.spearman.median()
    low, high = (rows.low, rows.high) if len(rows) == 1 else (rows.spearman, rows.spearman)
    if pd.isna(median) or pd.isna(low.min()):
        return _number(median)
    return f"${median:z.2f}_{{{low.min():z.2f}}}^{{{high.max():z.2f}}}$"


def _number(value: float) -> str:
    return "undefined" if pd.isna(value) else f"${value:z.2f}$"


def _parts(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Items in as few parts as their largest size allows, of about one size."""
    count = -(-len(items) // most)
    bounds = [len(items) * place // count for place in range(count + 1)]
    return [items[first:last] for first, last in itertools.pairwise(bounds)]
