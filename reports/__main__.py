"""`python -m reports grade CASE` grades the criteria of one run; `python -m reports page CASE …` writes the report.

`python -m reports speed` prints what `make timings` measured.
"""

import argparse
from pathlib import Path

import pandas as pd

from bench import runs
from bench.errors import BadInput, exit_with
from reports import records
from reports.agreement import grade, maps_table
from reports.page import render
from reports.read import EXAMPLES, check_alike, check_commits, read, read_table, write_tables
from reports.section import Study
from reports.sections import precision, speed
from reports.tables import everything, latex, summary

OUT = Path(__file__).parent / "out"


def grade_run(case: str, seed: int, root: Path) -> None:
    """Writes a run's `agreement.csv`, `maps.csv` (scores on shared examples), `maps-fresh.csv` and their provenance."""
    run = read(case, seed, root)
    folder = runs.folder(case, seed, root)
    tables = {"agreement.csv": grade(run)}
    tables |= {name: maps_table(run, examples) for examples, name in zip(EXAMPLES, ("maps.csv", "maps-fresh.csv"), strict=True)}
    write_tables(run, folder, tables)


def study(case: str, seeds: list[int], root: Path) -> Study:
    """Everything the report needs of one case."""
    folders = [runs.folder(case, seed, root) for seed in seeds]
    found = [read(case, seed, root) for seed in seeds]
    check_alike(found)
    tables = [read_table(run, folder / "agreement.csv") for run, folder in zip(found, folders, strict=True)]
    return Study(case, found, pd.concat(tables, ignore_index=True), read_table(found[0], folders[0] / "maps.csv"))


def page(cases: list[str], seeds: list[int], root: Path, out: Path) -> None:
    """Writes the report: `index.html`, its figures, and `agreement` as CSV, Markdown and LaTeX."""
    studies = [study(case, seeds, root) for case in cases]
    check_commits([file for known in studies for run in known.runs for file in (run.oracle, run.criteria)])
    whole = everything(studies)
    runs.write_atomically(out / "agreement.csv", pd.concat([known.agreement for known in studies]).to_csv(index=False))
    runs.write_atomically(out / "agreement.md", whole.to_markdown(index=False) + "\n")
    runs.write_atomically(out / "agreement.tex", latex(whole))
    render(studies, out)


def show(cases: list[str], seeds: list[int], root: Path, out: Path) -> None:
    """Prints the agreement table and where the report lies."""
    for case in cases:
        known = study(case, seeds, root)
        print(f"\n{case}: Spearman with oracle_abs; {known.said}\n")
        print(summary(known).to_markdown(index=False))
    print(f"\nreport: {out / 'index.html'}")


def timings(folder: Path | None) -> None:
    """Prints the tables of a record of `make timings`, the newest committed one if none is named."""
    record = records.read(folder) if folder else records.newest()
    if record is None:
        raise BadInput(f"no record under {records.ROOT}: make timings RECORD=FOLDER writes one, --record FOLDER reads it")
    for part in (speed.section(record), precision.section(record)):
        assert part.table is not None
        print(f"\n{part.title}\n\n{part.table.to_markdown(index=False, disable_numparse=True)}\n\n{part.caption}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("what", choices=["grade", "page", "show", "speed"])
    parser.add_argument("cases", nargs="*", help="case names")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--runs", type=Path, default=runs.RUNS, help="the folder of the run files")
    parser.add_argument("--out", type=Path, default=OUT, help="page, show: the report's folder")
    parser.add_argument("--record", type=Path, help="speed: the folder that make timings wrote")
    given = parser.parse_args()
    if given.what == "speed":
        timings(given.record)
    elif not given.cases:
        raise BadInput(f"{given.what} needs the names of cases")
    elif given.what == "grade":
        for case in given.cases:
            for seed in given.seeds:
                grade_run(case, seed, given.runs)
    else:
        {"page": page, "show": show}[given.what](given.cases, given.seeds, given.runs, given.out)


if __name__ == "__main__":
    exit_with(main)
