"""The report of measured runs: their tables, the page with its figures, and what the page was made from."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.code_digest import case_in, depends_on
from pruning_oracle.bench.runs.kinds import AGREEMENT, AGREEMENT_LATEX, AGREEMENT_MARKDOWN, DESCRIPTION, FORMAT, MADE_FROM, PAGE
from pruning_oracle.bench.runs.options import each_once
from pruning_oracle.bench.runs.pictures import FILE as PICTURES
from pruning_oracle.bench.runs.provenance import ROOT, installed
from pruning_oracle.reports.agreement.tables import tables_of
from pruning_oracle.reports.inputs import records
from pruning_oracle.reports.inputs.csvw import write_agreement
from pruning_oracle.reports.inputs.pruning_runs import files_of, found_studies
from pruning_oracle.reports.inputs.read import (
    Run,
    check_alike,
    check_sources,
    learning_curve,
    read_shown_run,
    read_table,
    tables_are_current,
    with_common_criteria,
    write_tables,
)
from pruning_oracle.reports.inputs.source import source, source_note
from pruning_oracle.reports.inputs.tables import markdown
from pruning_oracle.reports.page.render import render
from pruning_oracle.reports.sections.latex_table import column_tables, page_tables
from pruning_oracle.reports.sections.section import CaseStudy
from pruning_oracle.reports.sections.summaries import all_summaries
from pruning_oracle.reports.sets.quick import FILE, read_quick
from pruning_oracle.reports.sets.studies import FILES, FORETOLD, read_foretold, read_studies
from pruning_oracle.reports.sets.table import MeasuredTable, read_sets

REPORT = {"index.html": PAGE, "agreement.csv": AGREEMENT, "agreement.csv-metadata.json": DESCRIPTION}
REPORT |= {"agreement.md": AGREEMENT_MARKDOWN, "agreement.tex": AGREEMENT_LATEX, "agreement-full.tex": AGREEMENT_LATEX}
# what draws the page beside what lies in its files
PARTS = sorted(file for ending in ("html", "css", "js") for file in (ROOT / "reports/page").rglob(f"*.{ending}"))
DRAWN_WITH = ("altair", "itables", "jinja2", "latex2mathml", "matplotlib", "seaborn", "vl-convert-python")
DRAWN_BY = ("reports/report.py", *(file.relative_to(ROOT).as_posix() for file in PARTS))


def grade_run(case: str, seed: int, root: Path) -> None:
    """Writes a run's `agreement.csv`, `maps.csv` (scores on shared examples), `maps-fresh.csv` and their provenance."""
    run, folder = read_shown_run(case, seed, root), runs.folder(case, seed, root)
    if tables_are_current(run, folder):
        return
    write_tables(run, folder, tables_of(run), source([run]))


def read_case_study(case: str, seeds: list[int], root: Path, out: Path | None = None) -> CaseStudy:
    """Everything the report needs of one case; `out` is the report's folder, where `foretell` writes its table."""
    folders = [runs.folder(case, seed, root) for seed in seeds]
    every = [read_shown_run(case, seed, root) for seed in seeds]
    found = with_common_criteria(every)
    check_alike(found)
    tables = [read_table(run, folder / "agreement.csv") for run, folder in zip(found, folders, strict=True)]
    curves = [file for run in found if (file := learning_curve(run))]
    agreement = pd.concat(tables, ignore_index=True)
    agreement = agreement[~agreement.criterion.isin(found[0].criteria.facts["left_out_criteria"])]
    maps = read_table(found[0], folders[0] / "maps.csv")
    sets, studies = _sets(found, folders), read_studies(found, folders)
    foretold = read_foretold(out / FORETOLD, case, len(seeds)) if out else None
    return CaseStudy(case, found, agreement, maps, curves, _quarter(every, folders), sets, studies, foretold)


def _quarter(found: list[Run], folders: list[Path]) -> pd.DataFrame | None:
    """What a quarter of each site costs by every chooser, at the seeds that have it; None if none has."""
    known = [read_quick(run, folder) for run, folder in zip(found, folders, strict=True)]
    tables = [one.table for one in known if one]
    return pd.concat(tables, ignore_index=True) if tables else None


def _sets(found: list[Run], folders: list[Path]) -> MeasuredTable | None:
    """The chosen sets of all seeds of which they were measured."""
    tables = [read_sets(folder, run.oracle.facts["weights"]) for run, folder in zip(found, folders, strict=True)]
    known = [table for table in tables if table]
    if not known:
        return None
    return MeasuredTable(pd.concat([of.rows for of in known], ignore_index=True), [of.facts[0] for of in known])


def write_page(
    cases: list[str], seeds: list[int], root: Path, out: Path, jobs: int = 1, pruned: Sequence[str] | None = None
) -> None:
    """Writes the report, `index.html` with its figures, and its tables as CSV, Markdown and LaTeX, unless it is up to date.

    It shows the pruning runs of the cases in `pruned`, by default of all; of cases that are in `pruned` alone nothing else.
    """
    shown = cases if pruned is None else list(pruned)
    made_from = page_digest(cases, seeds, root, out, shown)
    written = {name: kind for name, kind in REPORT.items() if cases or kind is PAGE}
    remembered, files = out / "made-from.txt", {out / name: kind for name, kind in written.items()}
    if remembered.is_file() and remembered.read_text("utf-8") == made_from and all(file.is_file() for file in files):
        return
    for file, kind in (files | {remembered: MADE_FROM}).items():
        runs.check_writable(file, kind)
    studies = [read_case_study(case, seeds, root, out) for case in cases]
    if studies:
        _write_tables(studies, out)
    render(studies, out, jobs, [found_studies(case, seeds, root) for case in shown])
    runs.write_atomically(remembered, made_from, MADE_FROM)


def _write_tables(studies: list[CaseStudy], out: Path) -> None:
    found = [run for study in studies for run in study.runs]
    for files_of_a_kind in ([run.oracle for run in found], [run.criteria for run in found]):
        check_sources(files_of_a_kind)
    write_agreement(out / "agreement.csv", pd.concat([study.agreement for study in studies]), source(found))
    runs.write_atomically(out / "agreement.md", markdown(all_summaries(studies)) + source_note(found), AGREEMENT_MARKDOWN)
    runs.write_atomically(out / "agreement.tex", column_tables(studies), AGREEMENT_LATEX)
    runs.write_atomically(out / "agreement-full.tex", page_tables(studies), AGREEMENT_LATEX)


def page_digest(cases: list[str], seeds: list[int], root: Path, out: Path, pruned: Sequence[str]) -> str:
    """Of all that a page depends on: runs' tables, which know their run files, pruning runs, records, and what draws it."""
    names = ("tables.json", FILE, PICTURES, "sets.csv", "chosen-sets.safetensors", *FILES)
    tables = [runs.folder(case, seed, root) / name for case in cases for seed in seeds for name in names]
    curves = [runs.TRAINED / f"{case}-{seed}.curve" for case in cases for seed in seeds]
    versions = {name: installed(name) for name in DRAWN_WITH}
    sha = hashlib.sha256(json.dumps([cases, seeds, pruned, depends_on(DRAWN_BY), versions]).encode())
    steps = [file for case in pruned for file in files_of(case, seeds, root)]
    for file in [*tables, out / FORETOLD, *curves, *steps, *sorted(records.ROOT.glob("*/*.json"))]:
        sha.update(file.read_bytes() if file.is_file() else b"none")
    return f"{FORMAT} {sha.hexdigest()}\n"


def names_of(cases: list[str]) -> list[str]:
    """The names of cases, each once, of which some are given as the files that hold them; BadInput for what is neither."""
    for case in cases:
        if case.startswith(("torchvision:", "timm:")):
            raise BadInput(f"{case!a}: reports take the name of a run, a folder under runs/, or a .py file that holds an @case")
    names = [case_in(Path(case)) if case.endswith(".py") else case for case in cases]
    each_once("the command", names)
    return names
