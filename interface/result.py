"""What every result of the interface has in common: the run file that holds it, its provenance, and how a notebook shows it."""

import contextlib
import html
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import unknown
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.shapes import Shape, checked_facts

PROVENANCE: dict[str, Shape] = {
    "case": str,
    "seed": int,
    "precision": str,
    "device": str,
    "threads": int,
    "commit": str,
    "when": str,
    "suite": str,
}
PROVENANCE |= {"versions": {"torch": str}}
SHOWN = 10  # rows of a table that a notebook shows


@contextlib.contextmanager
def place(path: str | Path | None, name: str) -> Iterator[Path]:
    """Where a result is written: to `path`, or to a file in a folder that is deleted after the block."""
    if path is not None:
        yield Path(path)
        return
    folder = tempfile.mkdtemp(prefix="pruning-oracle-")
    try:
        yield Path(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copied(file: RunFile, kind: str, path: str | Path) -> Path:
    """Writes a result to another path, with all its facts; BadInput if something else lies there."""
    place = Path(path)
    runs.check_writable(place, runs.run_file(kind))
    runs.save(place, kind, file.arrays, file.facts)
    return place


def sites_of(file: RunFile) -> dict[str, int]:
    """How many maps each site of a run file has, in the network's order."""
    return {site["name"]: site["maps"] for site in file.facts["sites"]}


def checked(file: RunFile, shape: Shape) -> RunFile:
    """Returns a run file whose facts have a shape and the provenance that results show; BadInput if they do not."""
    return checked_facts(checked_facts(file, shape), PROVENANCE)


def measured_on(facts: dict[str, Any]) -> str:
    """One line on where numbers come from: network, seed, precision, hardware, versions, commit and time."""
    versions = facts["versions"]
    return (
        f"{facts['case']} seed {facts['seed']}, {facts['precision']} on {facts['device']} ({facts['threads']} threads),"
        f" torch {versions['torch']}, pruning-oracle {facts['suite']} at {facts['commit']}, {facts['when']}"
    )


def as_html(title: str, lines: list[str], table: pd.DataFrame, rows: int = SHOWN) -> str:
    """A result for a notebook: a title, what is to be known of it, and the first `rows` of its table; all text is escaped."""
    said = "<br>".join(map(html.escape, lines))
    more = f"<p>{len(table):,} rows, the first {rows} are shown: <code>.frame()</code> has all</p>" if len(table) > rows else ""
    shown = table.head(rows).to_html(index=False, escape=True, border=0, float_format="{:.4g}".format)
    return f"<div><b>{html.escape(title)}</b><p>{said}</p>{shown}{more}</div>"


def one_of(name: str, names: Any, what: str) -> str:
    """Returns a name that is among others; BadInput, which calls it `what`, if it is not."""
    if name not in names:
        raise unknown(what, name, names)
    return name
