"""Commands that compare what was measured: whole comparisons, tables, the page, and what records say."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CasesOptions, ComputingOptions, ExampleOptions, GoalOptions, RunsOptions, texts
from pruning_oracle.command_line.options import OUTPUT, REPORT, RUNS, Device, Fill, Jobs, ReportFolder, option, switch

PANEL = "Compare"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    examples = [
        "compare vgg-digits resnet-digits --seeds 0 1 2",
        "compare mine.py --criteria quick my_criteria.py --budget 0.05",
        "compare torchvision:resnet18 --weights mine.pt --data imagefolder:photos",
    ]
    command(app, PANEL, *examples)(compare)
    command(app, PANEL, "oracles vgg-digits mine.py --seeds 0 1")(oracles)
    command(app, PANEL, "grade vgg-digits --seeds 0 1 2")(grade)
    command(app, PANEL, "report vgg-digits resnet-digits --seeds 0 1 2 --out report")(report)
    command(app, PANEL, "table vgg-digits --seeds 0 1 2", "table vgg-digits --json")(table)
    command(app, PANEL, "speed --record runs/timings")(speed)
    command(app, PANEL, "cite")(cite)


def compare(
    which: CasesOptions,
    chosen: ExampleOptions,
    goal: GoalOptions,
    computing: ComputingOptions,
    criteria: Annotated[list[str] | None, option("Names, .py files, all; beside the quick ones.")] = None,
    fill: Fill = "zero",
    out: ReportFolder = REPORT,
    no_table: Annotated[bool, switch("--no-table", "Do not print the table of agreement.", OUTPUT)] = False,
) -> Answer:
    """Measure cases, score their maps by criteria, grade the criteria, write the report and print the table of agreement."""
    from pruning_oracle.pipeline import run
    from pruning_oracle.reports.report import write_page

    both = _fill(fill) | texts(chosen.given | {name: value for name, value in computing.given.items() if name != "device"})
    asked = which.request(computing.device, criteria, texts(goal.given), both)
    run.measure(asked)
    names = list(asked.cases)
    write_page(names, which.seeds, RUNS, out, asked.jobs)
    rows = [] if no_table else _print_tables(names, which.seeds, RUNS)
    told(f"report: {out / 'index.html'}")
    return Answer({"report": out / "index.html", "agreement": rows})


def oracles(which: CasesOptions, goal: GoalOptions, fill: Fill = "zero", device: Device = "auto") -> Answer:
    """Measure the oracles of several cases and seeds, several at a time."""
    from pruning_oracle.pipeline import run

    asked = which.request(device, oracle=texts(goal.given) | _fill(fill))
    run.measure_oracles(asked)
    return Answer({"runs": asked.runs})


def _fill(name: str) -> dict[str, str]:
    """The option of what stands in a removed map's place; none where zeros do. BadInput for an unknown one."""
    from pruning_oracle.bench.errors import unknown
    from pruning_oracle.bench.fill import FILLS

    if name not in FILLS:
        raise unknown("--fill", name, FILLS)
    return {} if name == "zero" else {"fill": name}


def grade(which: RunsOptions) -> Answer:
    """Grade the criteria of measured runs: write agreement.csv, maps.csv and maps-fresh.csv beside the run files."""
    from pruning_oracle.reports.report import grade_run

    for case in which.names:
        for seed in which.seeds:
            grade_run(case, seed, which.runs)
    return Answer()


def report(which: RunsOptions, out: ReportFolder = REPORT, jobs: Jobs = None) -> Answer:
    """Write the report of graded runs: index.html with its figures, and the tables as CSV, Markdown and LaTeX."""
    from pruning_oracle.reports.report import write_page

    write_page(which.names, which.seeds, which.runs, out, jobs or 1)
    told(f"report: {out / 'index.html'}")
    return Answer({"report": out / "index.html"})


def table(which: RunsOptions) -> Answer:
    """Print the table of agreement of graded runs."""
    return Answer({"agreement": _print_tables(which.names, which.seeds, which.runs)})


def _print_tables(cases: list[str], seeds: list[int], runs: Path) -> list[dict[str, Any]]:
    """Prints the table of every case; returns the rows of agreement.csv."""
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.reports.agreement.noise_ceiling import MEAN, small_sample
    from pruning_oracle.reports.report import read_case_study
    from pruning_oracle.reports.sections.summaries import summary

    rows: list[dict[str, Any]] = []
    for case in cases:
        study = read_case_study(case, seeds, runs)
        ceiling = study.agreement.query(f"scope == {MEAN!r} and oracle == 'oracle_abs'").ceiling.median()
        note = small_sample(study.runs[0].oracle.facts["examples"], ceiling)
        print_table(summary(study), f"{case}: Spearman with oracle_abs; {study.said}", note)
        rows += [{str(name): cell for name, cell in row.items()} for row in study.agreement.to_dict("records")]
    return rows


def speed(
    record: Annotated[Path | None, option("The folder that `make timings` wrote (default: the newest record).")] = None,
) -> Answer:
    """Print what a record of `make timings` says of the engine's speed and of precisions."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.runs.shapes import built_of
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.reports.inputs import records
    from pruning_oracle.reports.sections import precision
    from pruning_oracle.reports.sections import speed as of_speed

    found = records.read_record(record) if record else records.newest_record()
    if found is None:
        raise BadInput(f"no record under {records.ROOT}: make timings RECORD=FOLDER writes one, --record FOLDER reads it")
    with built_of((record or records.ROOT / found.name) / "timings.json"):
        parts = {"speed of the engine replay": of_speed.section(found), "precision": precision.section(found)}
    tables = {}
    for what, part in parts.items():
        if part is None or part.table is None:
            told(f"the record {found.name} holds no timing of the {what}")
            continue
        print_table(part.table, part.title, part.caption)
        tables[what] = part.table.to_dict("records")
    return Answer({"record": found.name} | tables)


def cite() -> Answer:
    """Print BibTeX entries for this suite, with version and commit, and for the paper whose method it is."""
    from pruning_oracle.reports.citation import bibtex

    entries = bibtex()
    print(entries)
    return Answer({"bibtex": entries})
