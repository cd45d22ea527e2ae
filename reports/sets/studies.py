"""The tables that studies of sets left beside a run: read, checked to be of its network, and summed up over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.agreement.noise_ceiling import ALL
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.inputs.shapes import SHOWN_SETS
from pruning_oracle.reports.inputs.site_names import shown_names
from pruning_oracle.reports.inputs.tables import read_csv
from pruning_oracle.reports.sets.table import MeasuredTable

FORETOLD = "foretell.csv"  # beside a report, of all its cases


@dataclass(frozen=True)
class StudyFiles:
    """Where a study's table and its joint losses lie, and what the table must hold; `sites` are the texts that name sites."""

    table: str
    joint: str
    command: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()


RANDOM, REAL = "reference-sets", "interactions"
SPEARMAN = ("low", "high", "n")
STUDIES = {
    "lds": StudyFiles(
        "reference-sets.csv",
        f"{RANDOM}.safetensors",
        RANDOM,
        ("share", "lds", "ceiling", "sets", *SPEARMAN),
        ("chooser", "scaling"),
    ),
    "additivity": StudyFiles(
        "additivity.csv",
        f"{RANDOM}.safetensors",
        RANDOM,
        ("share", "joint_loss", "single_changes", "difference_low", "difference_high", "ratio", "ratio_low", "ratio_high", "n"),
        sites=("scope",),
    ),
    "sensitivity": StudyFiles(
        "layer-sensitivity.csv",
        "layer-sensitivity.safetensors",
        "layer-sensitivity",
        ("share", "maps", "joint_loss", *SPEARMAN),
        ("chooser",),
        ("site",),
    ),
    "better": StudyFiles(
        "better-sets.csv",
        "better-sets.safetensors",
        "better-sets",
        ("share", "joint_loss", "over_criterion", "over_criterion_low", "over_criterion_high", *SPEARMAN),
        ("chooser", "scope", "scaling", "best_criterion"),
    ),
    "interactions": StudyFiles(
        "interactions.csv",
        f"{REAL}.safetensors",
        REAL,
        ("map_a", "map_b", "probability", "interaction", "curvature", *SPEARMAN),
        sites=("site_a", "site_b"),
    ),
    "grades": StudyFiles("interaction-grades.csv", f"{REAL}.safetensors", REAL, ("spearman", "drawn", *SPEARMAN), ("pairs",)),
}
FILES = sorted({name for files in STUDIES.values() for name in (files.table, files.joint)})


def read_studies(found: Sequence[Run], folders: Sequence[Path]) -> dict[str, MeasuredTable]:
    """The tables of studies by their names in `STUDIES`, of the seeds that have them; a study that no seed has is not there.

    Raises BadInput if a file is damaged.
    """
    known = {}
    for name, files in STUDIES.items():
        own = [one for run, folder in zip(found, folders, strict=True) if (one := _read(files, run, folder))]
        if own:
            known[name] = MeasuredTable(pd.concat([one.rows for one in own], ignore_index=True), [one.facts[0] for one in own])
    return known


def _read(files: StudyFiles, run: Run, folder: Path) -> MeasuredTable | None:
    table, joint = folder / files.table, folder / files.joint
    if not table.is_file() or not joint.is_file():
        return None
    facts = checked_facts(runs.load(joint, "sets"), SHOWN_SETS).facts
    if facts["weights"] != run.oracle.facts["weights"]:
        print(f"left out: {table}, which is of other weights: `pruning-oracle {files.command}` makes it anew")
        return None
    rows = checked(read_csv(table), table, files)
    names = shown_names(site["name"] for site in facts["sites"]) | {ALL: ALL}
    for column in files.sites:
        rows[column] = rows[column].astype(str).map(names)
        if rows[column].isna().any():
            raise BadInput(f"{table} is damaged: its column {column} names a site that the network does not have")
    return MeasuredTable(rows.assign(seed=run.seed), [facts])


def checked(rows: pd.DataFrame, path: Path, files: StudyFiles) -> pd.DataFrame:
    """The rows of a study's table; BadInput unless it has the columns that are shown, and numbers in those of numbers."""
    missing = [name for name in (*files.texts, *files.sites, *files.numbers) if name not in rows]
    if missing or not len(rows) or not all(pd.api.types.is_numeric_dtype(rows[name]) for name in files.numbers):
        raise BadInput(f"{path} is damaged: it lacks {', '.join(missing) or 'numbers'}")
    return rows


def read_foretold(path: Path, case: str, seeds: int) -> pd.DataFrame | None:
    """What `foretell` wrote of a case at so many seeds; None if nothing. BadInput if the file is damaged."""
    if not path.is_file():
        return None
    files = StudyFiles(path.name, "", "foretell", ("tau", "low", "high", "criteria", "seeds"), ("case", "predictor", "outcome"))
    rows = checked(read_csv(path), path, files)
    own = rows[(rows.case == case) & (rows.seeds == seeds)]
    return own.reset_index(drop=True) if len(own) else None


def over_seeds(rows: pd.DataFrame, keys: list[str], value: str, low: str = "low", high: str = "high") -> pd.DataFrame:
    """A row for every key: the median of a column over seeds with their range, of a single seed its own interval.

    Args:
        rows: a row per key and seed.
        keys: columns.
        value: the column that is summed up.
        low: the column of its interval's lower end.
        high: that of its upper end.

    Returns:
        The keys, in their first order, `value`, `from`, `to` and `seeds`, how many have a value.
    """
    groups = rows.groupby(keys, sort=False)
    several = rows.seed.nunique() > 1
    ends = (groups[value].min(), groups[value].max()) if several else (groups[low].first(), groups[high].first())
    made = pd.DataFrame({"value": groups[value].median(), "from": ends[0], "to": ends[1], "seeds": groups[value].count()})
    if several:  # a value that one seed alone has, has no range
        made.loc[made.seeds < 2, ["from", "to"]] = float("nan")
    return made.reset_index()
