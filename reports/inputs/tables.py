"""Tables as CSV and as Markdown: text from data is neither a formula for a spreadsheet, nor markup, nor more than one line."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench.terminal import one_line

DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")  # what a spreadsheet may compute, or what was defused already
DEFUSED = re.compile(r"'+[=+\-@\t\r\n]")
TEXTS = (
    "case",
    "criterion",
    "scope",
    "scaling",
    "oracle",
    "examples",
    "site",
    "chooser",
    "repair",
)  # columns of text in tables that are read back


def csv_text(table: pd.DataFrame, **how: Any) -> str:
    """A table as CSV, where text from data that begins like a formula is preceded by an apostrophe; numbers stay numbers."""
    return table.map(defused).rename(columns=defused).to_csv(index=False, **how)


def read_csv(path: Path) -> pd.DataFrame:
    """A table that `csv_text` wrote; text that looks like a missing number stays text."""
    known = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""], encoding="utf-8")
    return known.map(restored).rename(columns=restored)


def markdown(table: pd.DataFrame, **how: Any) -> str:
    """A table as Markdown; `how` goes to tabulate."""
    return table.map(plain_cell).rename(columns=plain_cell).to_markdown(index=False, **how)


def plain_cell(cell: Any) -> Any:
    """Text without line feeds and control characters, and without markup."""
    return re.sub(r"([|<])", r"\\\1", one_line(cell)) if isinstance(cell, str) else cell


def defused(cell: Any) -> Any:
    """A cell as a spreadsheet shows it, whatever it begins with."""
    if not isinstance(cell, str) or not DANGEROUS.match(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def restored(cell: Any) -> Any:
    """What `defused` made a cell of."""
    return cell[1:] if isinstance(cell, str) and DEFUSED.match(cell) else cell
