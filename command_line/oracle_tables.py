"""What an oracle says of single classes and examples: `oracle --by class` and `--by example`, arithmetic on its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pruning_oracle.command_line.command import told

if TYPE_CHECKING:
    import pandas as pd

    from pruning_oracle.bench.case import Case
    from pruning_oracle.bench.runs import RunFile

FILES = {"class": "by-class.csv", "example": "by-example.csv"}
CLASSES, MAPS = 20, 10  # rows of the two tables that are printed
PLACES = ("1st", "2nd", "3rd")  # what each row names


def check_by(by: str | None) -> None:
    """Raises BadInput for what no table is by."""
    from pruning_oracle.bench.errors import unknown

    if by is not None and by not in FILES:
        raise unknown("--by", by, FILES)


def check_tables(case: Case, by: str | None, oracle: Path) -> None:
    """Raises BadInput, before anything is measured, if the table cannot be written, or if labels are no classes."""
    from pruning_oracle.bench import labels
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.runs import check_writable
    from pruning_oracle.bench.runs.kinds import BY_CLASS, BY_EXAMPLE

    if by is None:
        return
    check_writable(oracle.with_name(FILES[by]), {"class": BY_CLASS, "example": BY_EXAMPLE}[by])
    if by == "class" and not labels.are_classes(labels.collate([case.train[0]])[1]):
        raise BadInput(f"{case.name}: --by class needs labels that are one whole number for each example")


def tables_by(by: str, place: Path) -> dict[str, Any]:
    """Writes the table beside the oracle's file, prints what it comes to, and returns that."""
    from pruning_oracle.bench.runs import load
    from pruning_oracle.bench.runs.shapes import checked_facts
    from pruning_oracle.reports.inputs.shapes import ORACLE

    oracle = checked_facts(load(place, "oracle"), ORACLE)
    return {"class": _by_class, "example": _by_example}[by](oracle)


def _by_class(oracle: RunFile) -> dict[str, Any]:
    from pruning_oracle.bench.runs.kinds import BY_CLASS
    from pruning_oracle.reports.agreement.by_class import class_table, classes_by_map, maps_by_class

    table = class_table(oracle)
    path = _written(oracle, "class", table, BY_CLASS)
    needs, needed = maps_by_class(table, len(PLACES)), classes_by_map(table, MAPS)
    by_need = needs.groupby("class", sort=False).change.max().sort_values(ascending=False, kind="stable")
    shown = needs[needs["class"].isin(by_need.index[:CLASSES])]
    rows = [
        {"class": of.name.iloc[0], "n": of.n.iloc[0]}
        | {place: f"{row.site} {row.map}: {_change(row)}" for place, row in zip(PLACES, of.itertuples(), strict=False)}
        for _, of in shown.sort_values("change", ascending=False, kind="stable").groupby("class")
    ]
    more = f"the {CLASSES} of {len(by_need)} classes that need some map most" if len(by_need) > CLASSES else ""
    _print(rows, f"the maps that each class needs most (site, map): {SAID}", more)
    rows = [
        {"site": row.site, "map": row.map, "class": row.name, "n": row.n, "change": _change(row)} for row in _tuples(needed)
    ]
    _print(rows, f"the maps that some class needs most, and that class: {SAID}", _uncertain(table))
    told(f"table: {path}")
    return {"table": path, "maps by class": needs.to_dict("records"), "classes by map": needed.to_dict("records")}


SAID = "mean change in loss over its n examples, nats, with Student's 95 % interval"


def _by_example(oracle: RunFile) -> dict[str, Any]:
    from pruning_oracle.bench.runs.kinds import BY_EXAMPLE
    from pruning_oracle.reports.agreement.by_example import example_table

    table = example_table(oracle)
    path = _written(oracle, "example", table, BY_EXAMPLE)
    first = table[table.place == 1].sort_values("change", ascending=False, kind="stable").head(MAPS)
    shown = table[table.place <= len(PLACES)].merge(first[["site", "map"]], on=["site", "map"])
    rows = []
    for one in _tuples(first):
        own = shown[(shown["site"] == one.site) & (shown["map"] == one.map)]
        cells = {place: f"{_named(row)}: {_nats(row.change)}" for place, row in zip(PLACES, own.itertuples(), strict=False)}
        rows.append({"site": one.site, "map": one.map} | cells)
    _print(rows, "the examples that need a map most: row of the training data (class) and change in its loss, nats")
    told(f"table: {path}")
    return {"table": path, "examples": shown.to_dict("records")}


def _written(oracle: RunFile, by: str, table: pd.DataFrame, kind: Any) -> Path:
    from pruning_oracle.reports.sets.table import write_sets

    path = oracle.path.with_name(FILES[by])
    write_sets(path, table, oracle.facts["case"], oracle.facts["seed"], kind)
    return path


def _uncertain(table: pd.DataFrame) -> str:
    """Why some rows have no interval."""
    alone, guessed = int((table.drop_duplicates("class").n == 1).sum()), float((table.measured < table.n).mean())
    said = [f"{alone} of {table['class'].nunique()} classes have one example, and no interval"] if alone else []
    if guessed:
        said.append(f"{guessed:.0%} of means count predictions of the estimated oracle, and have no interval")
    return "; ".join(said)


def _change(row: Any) -> str:
    return _nats(row.change) + ("" if row.low != row.low else f" [{_nats(row.low)}, {_nats(row.high)}]")


def _named(row: Any) -> str:
    known = getattr(row, "row", row.example)
    return f"{known} ({row.name})" if hasattr(row, "name") else str(known)


def _nats(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _tuples(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples(index=False)


def _print(rows: list[dict[str, Any]], title: str, note: str = "") -> None:
    import pandas as pd

    from pruning_oracle.command_line.printed import print_table

    print_table(pd.DataFrame(rows).fillna("").astype(str), title, note)
