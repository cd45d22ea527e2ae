"""Grades criteria, writes the report, and holds criteria to their baselines: `python -m pruning_oracle.reports WHAT CASE …`.

`grade` grades the criteria of runs, `page` writes the report, `show` prints its first table. `regress` holds the criteria of
measured cases to their baselines, `accept` writes new baselines, and `false-alarms` says how often criteria are found worse
than themselves. `fit` fits the weights of the criterion `weighted_rank` to other cases' oracles. `speed` prints what `make
timings` measured, `pruning` what `make prune` came to, and writes its page.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.runs.bounds import COUNT, JOBS, SEED
from pruning_oracle.bench.runs.code_digest import case_in, depends_on
from pruning_oracle.bench.runs.kinds import AGREEMENT, AGREEMENT_LATEX, AGREEMENT_MARKDOWN, FORMAT, MADE_FROM, PAGE
from pruning_oracle.bench.runs.options import Parser, add_number, check_used, each_once
from pruning_oracle.bench.runs.provenance import ROOT
from pruning_oracle.bench.runs.shapes import built_of
from pruning_oracle.reports.agreement import few_examples
from pruning_oracle.reports.agreement.fit import fit_weights
from pruning_oracle.reports.agreement.grade import grade, maps_table
from pruning_oracle.reports.inputs import pruning_runs, records
from pruning_oracle.reports.inputs.read import (
    EXAMPLES,
    check_alike,
    check_sources,
    learning_curve,
    read_run,
    read_shown_run,
    read_table,
    tables_are_current,
    with_common_criteria,
    write_tables,
)
from pruning_oracle.reports.inputs.tables import csv_text, markdown
from pruning_oracle.reports.page.render import render, render_pruning
from pruning_oracle.reports.regression import baseline, regress, shipped_oracles, significance
from pruning_oracle.reports.regression.false_alarms import false_alarms
from pruning_oracle.reports.sections import curves, latency, precision, speed
from pruning_oracle.reports.sections.section import CaseStudy
from pruning_oracle.reports.sections.summaries import all_summaries, latex, summary

OUT = Path("report")
OF_RUNS = ("grade", "page", "show", "regress", "accept", "false-alarms", "fit", "pruning")
USED = dict.fromkeys(("cases", "seeds", "runs"), OF_RUNS) | {  # what each option is for
    "out": ("page", "show", "pruning"),
    "record": ("speed",),
    "baselines": ("regress", "accept"),
    "reason": ("accept",),
    "jobs": ("page",),
    "splits": ("false-alarms",),
}
REPORT = {"index.html": PAGE, "agreement.csv": AGREEMENT, "agreement.md": AGREEMENT_MARKDOWN, "agreement.tex": AGREEMENT_LATEX}
# what draws the page beside what lies in its files
DRAWN_BY = ("reports/__main__.py", *(f"reports/page/{file.name}" for file in sorted((ROOT / "reports/page").glob("*.html"))))


def grade_run(case: str, seed: int, root: Path) -> None:
    """Writes a run's `agreement.csv`, `maps.csv` (scores on shared examples), `maps-fresh.csv` and their provenance."""
    run, folder = read_shown_run(case, seed, root), runs.folder(case, seed, root)
    if tables_are_current(run, folder):
        return
    rows = [grade(run)] if run.estimated else [grade(run), few_examples.grade_few_examples(run)]
    tables = {"agreement.csv": pd.concat(rows, ignore_index=True)}
    tables |= {name: maps_table(run, examples) for examples, name in zip(EXAMPLES, ("maps.csv", "maps-fresh.csv"), strict=True)}
    write_tables(run, folder, tables)


def read_case_study(case: str, seeds: list[int], root: Path) -> CaseStudy:
    """Everything the report needs of one case."""
    folders = [runs.folder(case, seed, root) for seed in seeds]
    found = with_common_criteria([read_shown_run(case, seed, root) for seed in seeds])
    check_alike(found)
    tables = [read_table(run, folder / "agreement.csv") for run, folder in zip(found, folders, strict=True)]
    curves = [file for run in found if (file := learning_curve(run))]
    agreement = pd.concat(tables, ignore_index=True)
    agreement = agreement[~agreement.criterion.isin(found[0].criteria.facts["left_out_criteria"])]
    return CaseStudy(case, found, agreement, read_table(found[0], folders[0] / "maps.csv"), curves)


def page(cases: list[str], seeds: list[int], root: Path, out: Path, jobs: int = 1) -> None:
    """Writes the report, `index.html` with its figures, and `agreement` as CSV, Markdown and LaTeX, unless it is up to date."""
    made_from = page_digest(cases, seeds, root)
    remembered, files = out / "made-from.txt", {out / name: kind for name, kind in REPORT.items()}
    if remembered.is_file() and remembered.read_text("utf-8") == made_from and all(file.is_file() for file in files):
        return
    for file, kind in (files | {remembered: MADE_FROM}).items():
        runs.check_writable(file, kind)
    studies = [read_case_study(case, seeds, root) for case in cases]
    found = [run for study in studies for run in study.runs]
    for files_of_a_kind in ([run.oracle for run in found], [run.criteria for run in found]):
        check_sources(files_of_a_kind)
    whole = all_summaries(studies)
    agreement = pd.concat([study.agreement for study in studies])
    runs.write_atomically(out / "agreement.csv", csv_text(agreement), AGREEMENT)
    runs.write_atomically(out / "agreement.md", markdown(whole) + "\n", AGREEMENT_MARKDOWN)
    runs.write_atomically(out / "agreement.tex", latex(whole), AGREEMENT_LATEX)
    render(studies, out, jobs)
    runs.write_atomically(remembered, made_from, MADE_FROM)


def page_digest(cases: list[str], seeds: list[int], root: Path) -> str:
    """Of all that a page depends on: the runs' tables, which know their run files, the records, and what draws it."""
    tables = [runs.folder(case, seed, root) / "tables.json" for case in cases for seed in seeds]
    curves = [runs.TRAINED / f"{case}-{seed}.curve" for case in cases for seed in seeds]
    sha = hashlib.sha256(json.dumps([cases, seeds, depends_on(DRAWN_BY)]).encode())
    for file in [*tables, *curves, *sorted(records.ROOT.glob("*/*.json"))]:
        sha.update(file.read_bytes() if file.is_file() else b"none")
    return f"{FORMAT} {sha.hexdigest()}\n"


def show_report(cases: list[str], seeds: list[int], root: Path, out: Path) -> None:
    """Prints the agreement table and where the report lies."""
    for case in cases:
        known = read_case_study(case, seeds, root)
        print(f"\n{case}: Spearman with oracle_abs; {known.said}\n")
        print(markdown(summary(known)))
    print(f"\nreport: {out / 'index.html'}")


def print_speed(folder: Path | None) -> None:
    """Prints the tables of a record of `make timings`, the newest committed one if none is named, and says what it lacks."""
    record = records.read_record(folder) if folder else records.newest_record()
    if record is None:
        raise BadInput(f"no record under {records.ROOT}: make timings RECORD=FOLDER writes one, --record FOLDER reads it")
    with built_of((folder or records.ROOT / record.name) / "timings.json"):
        parts = {"speed of the engine replay": speed.section(record), "precision": precision.section(record)}
    for what, part in parts.items():
        if part is None or part.table is None:
            print(f"\nthe record {record.name} holds no timing of the {what}")
            continue
        print(f"\n{part.title}\n\n{markdown(part.table, disable_numparse=True)}\n\n{part.caption}")


def check_regressions(cases: list[str], seeds: list[int], root: Path, folder: Path) -> None:
    """Holds every criterion of the runs to its baseline; a regression ends with status 1, no baseline with BadInput."""
    without = [case for case in cases if not baseline.path(case, folder).is_file()]
    if without:
        raise BadInput(f"{folder} holds no baseline of {', '.join(without)}: accept one with {baseline.ACCEPT}")
    found = [finding for case in cases for finding in regress.findings(regress.measured_figures(case, seeds, root), folder)]
    if not regress.print_findings(found):
        sys.exit(1)


def accept_baselines(cases: list[str], seeds: list[int], root: Path, folder: Path, reason: str) -> None:
    """Makes what the runs measured the baselines, and prints what that changed; with the suite's own, renews what ships."""
    for case in cases:
        now = regress.measured_figures(case, seeds, root)
        changes = regress.accept(now, folder, reason)
        print(f"{case}: {len(changes)} figures accepted, in {baseline.path(case, folder)}")
        if changes:
            print(markdown(regress.changes_table(changes), disable_numparse=True) + "\n")
        for seed in shipped_oracles.renew_beside(now.runs, folder):
            print(f"{case}: the oracle of seed {seed} ships anew, in {shipped_oracles.FOLDER}")


def report_pruning(cases: list[str], seeds: list[int], root: Path, out: Path) -> None:
    """Prints what the pruning runs came to, and writes their page."""
    known = [pruning_runs.read_studies(case, seeds, root) for case in cases]
    page = render_pruning(known, out)
    for found in (found for studies in known for found in studies):
        print(f"\n{found.case}, {found.folder}: {found.said}\n")
        print(markdown(curves.table(found), disable_numparse=True))
        timed = latency.section(found)
        if timed and timed.table is not None:
            print(f"\n{markdown(timed.table, disable_numparse=True)}")
    print(f"\nreport: {page}")


def print_false_alarms(cases: list[str], seeds: list[int], root: Path, splits: int) -> None:
    """Prints how often a criterion is found worse, or better, than itself."""
    found = false_alarms([regress.measured_figures(case, seeds, root).runs for case in cases], splits)
    every = found["comparisons"]
    print(f"{every} comparisons of a criterion with itself on other examples, {splits} splits of {', '.join(cases)}:")
    for verdict in (significance.WORSE, significance.BETTER):
        share, nominal = 100 * found[verdict] / every, 100 * significance.LEVEL
        print(f"found {verdict}: {found[verdict]}, {share:.2f} % (nominal {nominal:.2g} %)")


def names_of(cases: list[str]) -> list[str]:
    """The names of cases, each once, of which some are given as the files that hold them; BadInput for what is neither."""
    for case in cases:
        if case.startswith(("torchvision:", "timm:")):
            raise BadInput(f"{case!a}: reports take the name of a run, a folder under runs/, or a .py file that holds an @case")
    names = [case_in(Path(case)) if case.endswith(".py") else case for case in cases]
    each_once("the command", names)
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = Parser(prog="python -m pruning_oracle.reports", description=__doc__)
    parser.add_argument("what", choices=[*OF_RUNS, "speed"])
    parser.add_argument("cases", nargs="*", default=[], help="case names, or .py files that hold an @case")
    add_number(parser, "--seeds", SEED, "of the cases, each once (0)", nargs="+", default=[0])
    parser.add_argument("--runs", type=Path, default=runs.RUNS, help="the folder of the run files")
    parser.add_argument("--out", type=Path, default=OUT, help="page, show: the report's folder")
    parser.add_argument("--record", type=Path, help="speed: the folder that make timings wrote")
    parser.add_argument("--baselines", type=Path, help="regress, accept: the baselines' folder (default: the suite's)")
    parser.add_argument("--reason", default="", help="accept: why the new figures are right")
    add_number(parser, "--jobs", JOBS, "page: processes that draw (1)", default=1)
    add_number(parser, "--splits", COUNT, "false-alarms: how often examples are split in halves (20)", default=20)
    given = parser.parse_args(arguments)
    check_used(parser, given, USED)
    if given.what == "speed":
        print_speed(given.record)
        return
    if not given.cases:
        raise BadInput(f"{given.what} needs the names of cases")
    given.cases = names_of(given.cases)
    each_once("--seeds", given.seeds)
    measured = given.cases, given.seeds, given.runs
    if given.what == "grade":
        for case in given.cases:
            for seed in given.seeds:
                grade_run(case, seed, given.runs)
    elif given.what == "regress":
        check_regressions(*measured, given.baselines or baseline.FOLDER)
    elif given.what == "accept":
        accept_baselines(*measured, baseline.folder_to_write(given.cases, given.baselines), given.reason)
    elif given.what == "false-alarms":
        print_false_alarms(*measured, given.splits)
    elif given.what == "pruning":
        report_pruning(*measured, given.out)
    elif given.what == "fit":
        print(
            json.dumps(fit_weights({case: [read_run(case, seed, given.runs) for seed in given.seeds] for case in given.cases}))
        )
    elif given.what == "page":
        page(*measured, given.out, given.jobs)
    else:
        show_report(*measured, given.out)


if __name__ == "__main__":
    exit_with(main)
