"""What lies beside a table of agreement as CSV: its source and its columns, as the W3C's CSV on the Web describes tables.

The table itself stays plain, so that everything reads it without options; programs that know the standard find the
description by its name, `TABLE.csv-metadata.json`.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs.kinds import AGREEMENT, CSVW, DESCRIPTION
from pruning_oracle.reports.inputs.source import sentences
from pruning_oracle.reports.inputs.tables import csv_text

COLUMNS = {
    "case": ("string", "the case: a trained network with its data"),
    "seed": ("integer", "the seed of the case's network and of its choice of examples"),
    "criterion": ("string", "the pruning criterion that is compared with the oracle"),
    "scope": ("string", "a site's name: over its maps; mean over sites: of these figures; all sites: over all maps at once"),
    "scaling": (
        "string",
        "of scores within each site: none, l1, l2 (divided by that norm), rank, or l2 less the paper's flops term",
    ),
    "oracle": (
        "string",
        "oracle_abs: the absolute value of the mean change in loss over examples; oracle_loss: that mean, signed",
    ),
    "examples": ("string", "those the criterion scored: shared, the oracle's own, or fresh, which the oracle never saw"),
    "spearman": ("number", "Spearman's rank correlation of the criterion's scores with the oracle; empty where undefined"),
    "kendall": ("number", "Kendall's tau-b of the same; empty where undefined"),
    "low": ("number", "lower end of the 95 % interval of spearman over examples"),
    "high": ("number", "upper end of that interval"),
    "ceiling": ("number", "agreement of the oracle on one half of its examples with the other half, Spearman-Brown corrected"),
    "maps": ("integer", "how many feature maps are compared"),
    "n": ("integer", "how many examples the oracle was measured on"),
}


def beside(table: Path) -> Path:
    """Where the description of a table lies."""
    return table.with_name(f"{table.name}-metadata.json")


def write_agreement(path: Path, agreement: pd.DataFrame, of: dict[str, Any]) -> None:
    """Writes a table of agreement as CSV, and its description beside it; BadInput if something else lies at one of the two.

    Args:
        path: of the table.
        agreement: the rows of one case and seed, or of several.
        of: what `source` gives for the runs that they are of.
    """
    texts = {path: (csv_text(agreement), AGREEMENT), beside(path): (description(path.name, of), DESCRIPTION)}
    for place, (_, kind) in texts.items():
        runs.check_writable(place, kind)
    for place, (text, kind) in texts.items():
        runs.write_atomically(place, text, kind)


def description(name: str, of: dict[str, Any]) -> str:
    """The description of a table of agreement whose file has that name and whose figures have the source `of`, as JSON."""
    columns = [
        {"name": column, "titles": column, "datatype": kind, "dc:description": says} for column, (kind, says) in COLUMNS.items()
    ]
    content = {
        "@context": CSVW,
        "url": name,
        "dc:title": "Agreement of pruning criteria with the oracle",
        "dc:creator": "Pruning Oracle",
        "dc:source": " ".join(sentences(of)),
        "dc:bibliographicCitation": of["bibtex"],
        "dc:description": "Text that begins as a formula would is preceded by an apostrophe.",
        "notes": [of],
        "tableSchema": {"columns": columns},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
