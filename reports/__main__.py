"""`python -m reports grade CASE` grades the criteria of one run; `python -m reports page CASE …` writes the report.

`regress` holds the criteria of measured cases to their baselines, `accept` writes new baselines, and `false-alarms` says how
often criteria are found worse than themselves. `fit` fits the weights of the criterion `weighted_rank` to other cases' oracles.
`python -m reports speed` prints what `make timings` measured, `pruning` what `make prune` came to, and writes its page.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from bench import runs
from bench.errors import BadInput, exit_with
from reports import baseline, compare, few, pruned, records, regress
from reports.agreement import grade, maps_table
from reports.false_alarms import false_alarms
from reports.fit import fit
from reports.page import render, render_pruning
from reports.read import EXAMPLES, check_alike, check_commits, read, read_table, training, write_tables
from reports.section import Study
from reports.sections import curves, latency, precision, speed
from reports.tables import everything, latex, summary

OUT = Path(__file__).parent / "out"


def grade_run(case: str, seed: int, root: Path) -> None:
    """Writes a run's `agreement.csv`, `maps.csv` (scores on shared examples), `maps-fresh.csv` and their provenance."""
    run = read(case, seed, root)
    folder = runs.folder(case, seed, root)
    # of an estimated oracle a part of its examples is no oracle: predictions were learnt from all of them
    rows = [grade(run)] if run.estimated else [grade(run), few.grade(run)]
    tables = {"agreement.csv": pd.concat(rows, ignore_index=True)}
    tables |= {name: maps_table(run, examples) for examples, name in zip(EXAMPLES, ("maps.csv", "maps-fresh.csv"), strict=True)}
    write_tables(run, folder, tables)


def study(case: str, seeds: list[int], root: Path) -> Study:
    """Everything the report needs of one case."""
    folders = [runs.folder(case, seed, root) for seed in seeds]
    found = [read(case, seed, root) for seed in seeds]
    check_alike(found)
    tables = [read_table(run, folder / "agreement.csv") for run, folder in zip(found, folders, strict=True)]
    curves = [file for run in found if (file := training(run))]
    return Study(case, found, pd.concat(tables, ignore_index=True), read_table(found[0], folders[0] / "maps.csv"), curves)


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


def hold(cases: list[str], seeds: list[int], root: Path, folder: Path) -> None:
    """Holds every criterion of the runs to its baseline; a regression ends with status 1."""
    found = [finding for case in cases for finding in regress.findings(regress.measured(case, seeds, root), folder)]
    if not regress.show(found):
        sys.exit(1)


def accept(cases: list[str], seeds: list[int], root: Path, folder: Path, reason: str) -> None:
    """Makes what the runs measured the baselines, and prints what that changed."""
    for case in cases:
        changes = regress.accept(regress.measured(case, seeds, root), folder, reason)
        print(f"{case}: {len(changes)} figures accepted, in {baseline.path(case, folder)}")
        if changes:
            print(regress.table(changes).to_markdown(index=False, disable_numparse=True) + "\n")


def prunings(cases: list[str], seeds: list[int], root: Path, out: Path) -> None:
    """Prints what the pruning runs came to, and writes their page."""
    known = [pruned.read_all(case, seeds, root) for case in cases]
    page = render_pruning(known, out)
    for found in (found for studies in known for found in studies):
        print(f"\n{found.case}, {found.folder}: {found.said}\n")
        print(curves.table(found).to_markdown(index=False, disable_numparse=True))
        timed = latency.section(found)
        if timed and timed.table is not None:
            print(f"\n{timed.table.to_markdown(index=False, disable_numparse=True)}")
    print(f"\nreport: {page}")


def alarms(cases: list[str], seeds: list[int], root: Path, splits: int) -> None:
    """Prints how often a criterion is found worse, or better, than itself."""
    found = false_alarms([regress.measured(case, seeds, root).runs for case in cases], splits)
    every = found["comparisons"]
    print(f"{every} comparisons of a criterion with itself on other examples, {splits} splits of {', '.join(cases)}:")
    for verdict in (compare.WORSE, compare.BETTER):
        print(f"found {verdict}: {found[verdict]}, {100 * found[verdict] / every:.2f} % (nominal {100 * compare.LEVEL:.2g} %)")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "what", choices=["grade", "page", "show", "speed", "regress", "accept", "false-alarms", "fit", "pruning"]
    )
    parser.add_argument("cases", nargs="*", help="case names")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--runs", type=Path, default=runs.RUNS, help="the folder of the run files")
    parser.add_argument("--out", type=Path, default=OUT, help="page, show: the report's folder")
    parser.add_argument("--record", type=Path, help="speed: the folder that make timings wrote")
    parser.add_argument("--baselines", type=Path, default=baseline.FOLDER, help="regress, accept: the baselines' folder")
    parser.add_argument("--reason", default="", help="accept: why the new figures are right")
    parser.add_argument("--splits", type=int, default=20, help="false-alarms: how often examples are split in halves (20)")
    given = parser.parse_args()
    if given.what == "speed":
        timings(given.record)
        return
    if not given.cases:
        raise BadInput(f"{given.what} needs the names of cases")
    measured = given.cases, given.seeds, given.runs
    if given.what == "grade":
        for case in given.cases:
            for seed in given.seeds:
                grade_run(case, seed, given.runs)
    elif given.what == "regress":
        hold(*measured, given.baselines)
    elif given.what == "accept":
        accept(*measured, given.baselines, given.reason)
    elif given.what == "false-alarms":
        alarms(*measured, given.splits)
    elif given.what == "pruning":
        prunings(*measured, given.out)
    elif given.what == "fit":
        print(json.dumps(fit({case: [read(case, seed, given.runs) for seed in given.seeds] for case in given.cases})))
    else:
        {"page": page, "show": show}[given.what](*measured, given.out)


if __name__ == "__main__":
    exit_with(main)
