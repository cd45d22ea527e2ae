"""The table of chosen sets: on which examples it is measured, as CSV and read again, and as people read it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.kinds import ADDING, CHOSEN, FIGURE, FORMAT, GRADES, INTERACTIONS, Kind
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.shapes import SHOWN_SETS
from pruning_oracle.reports.inputs.tables import csv_text, read_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 3  # examples
READ = ("chooser", "scope", "scaling", "share", "repair", "joint_loss", "low", "high", "n")  # columns that a report shows


@dataclass(frozen=True)
class MeasuredTable:
    """The rows of `sets.csv` of one or more seeds, and what the files of their joint losses say of how they were measured."""

    rows: pd.DataFrame
    facts: list[dict[str, Any]]


def read_sets(folder: Path, weights: str) -> MeasuredTable | None:
    """The sets of the run in a folder; None if none were measured, or others of another network than that with these weights.

    Raises BadInput if a file is damaged.
    """
    table, measured = folder / "sets.csv", folder / "chosen-sets.safetensors"
    if not table.is_file() or not measured.is_file():
        return None
    facts = checked_facts(runs.load(measured, "sets"), SHOWN_SETS).facts
    if facts["weights"] != weights:
        print(f"left out: {table}, which is of other weights: `pruning-oracle chosen-sets` makes it anew")
        return None
    rows = read_csv(table)
    rows = rows if "repair" in rows else rows.assign(repair="none")  # of an earlier version
    missing = [name for name in READ if name not in rows]
    if missing or not all(pd.api.types.is_numeric_dtype(rows[name]) for name in ("share", "joint_loss", "low", "high", "n")):
        raise BadInput(f"{table} is damaged: it lacks {', '.join(missing) or 'numbers'}")
    return MeasuredTable(rows.assign(seed=facts["seed"]), [facts])


def unseen(case: str, size: int, oracle: RunFile, criteria: RunFile, examples: int | None) -> list[int]:
    """Rows of a training set of that size that neither the oracle nor a criterion saw, sorted; drawn by the run's seed.

    There are `examples` of them (default: as many as the oracle has, or all that are left). BadInput if there are not so many.
    """
    left = left_over(size, oracle, criteria)
    wanted = min(oracle.facts["examples"], len(left)) if examples is None else examples
    if not LEAST <= wanted <= len(left):
        raise BadInput(
            f"{case}: {wanted} examples asked for that neither oracle nor criteria saw; there are {len(left)} of {size},"
            f" and at least {LEAST} are needed"
        )
    order = np.random.default_rng([oracle.facts["seed"], 7]).permutation(len(left))[:wanted]
    return sorted(left[place] for place in order)


def left_over(size: int, oracle: RunFile, criteria: RunFile) -> list[int]:
    """The rows of a training set of that size that neither the oracle nor a criterion saw, sorted."""
    seen = {int(row) for name in ("shared/rows", "fresh/rows") for row in criteria.arrays[name]}
    return sorted(set(range(size)) - seen - {int(row) for row in oracle.arrays["rows"]})


def write_sets(path: Path, table: pd.DataFrame, case: str, seed: int, kind: Kind = CHOSEN) -> None:
    """Writes a table of sets as CSV, with the case and the seed in front."""
    whole = table.copy()
    whole.insert(0, "seed", seed)
    whole.insert(0, "case", case)
    runs.write_atomically(path, csv_text(whole), kind)


def write_interactions(folder: Path, tables: Mapping[str, pd.DataFrame], case: str, seed: int, figure: "Figure") -> None:
    """Writes the tables of interactions by their names, and their picture, into a folder."""
    for (name, table), kind in zip(tables.items(), (INTERACTIONS, ADDING, GRADES), strict=True):
        write_sets(folder / f"{name}.csv", table, case, seed, kind)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150, metadata={"Software": FORMAT})
    runs.write_atomically(folder / "interactions.png", image.getvalue(), FIGURE)


def read_written(path: Path, command: str) -> pd.DataFrame:
    """A table that `write_sets` wrote; BadInput, which names the command that makes it, if there is none."""
    if not path.is_file():
        raise BadInput(f"no {path.name} at {path.parent}: `pruning-oracle {command}` measures it")
    return read_csv(path)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """A row per chooser, cheapest first by the mean over columns; a column for each share, scope and scaling."""
    kinds = table.assign(kind=table.apply(lambda row: kind_of(row.share, row.scope, row.scaling), axis=1))
    grid = kinds.pivot(index="chooser", columns="kind", values="joint_loss")[list(dict.fromkeys(kinds.kind))]
    logs = np.log(grid.clip(lower=1e-6))  # shares of very different cost weigh alike
    order = logs.mean(axis=1).sort_values(kind="stable").index
    return (
        grid.loc[order].map(lambda cost: f"{cost:.3f}".replace("-", "−")).reset_index().rename(columns={"chooser": "chosen by"})
    )


def kind_of(share: float, scope: str, scaling: str) -> str:
    """Which sets are meant, such as `25% of all sites, l2`."""
    return f"{share:.0%} of {scope}" + ("" if scaling == "none" else f", {scaling}")


def adding_texts(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `adding_table` as people read them."""
    names = {"joint_loss": "joint loss", "singles": "single maps", "pairs": "pairs", "higher": "more maps together"}
    texts = pd.DataFrame({"random sets of": [f"{row.share:.0%} ({row.sets:.0f} sets)" for row in table.itertuples()]})
    return texts.assign(**{text: _between(table, name, f"{name}_") for name, text in names.items()})


def grades_texts(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `grades` as people read them."""
    counts = {"drawn": table.drawn.astype(str), "examples": table.n.astype(str)}
    return pd.DataFrame({"pairs": table.pairs, "Spearman": _between(table, "spearman", "")} | counts)


def _between(table: pd.DataFrame, name: str, prefix: str) -> list[str]:
    """A column of figures with their intervals, as texts."""
    columns = (table[name], table[f"{prefix}low"], table[f"{prefix}high"])
    return [f"{value:.2f} ({low:.2f} to {high:.2f})".replace("-", "−") for value, low, high in zip(*columns, strict=True)]
