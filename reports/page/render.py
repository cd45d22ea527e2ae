"""The renderer: puts drawn sections together into one self-contained page."""

from pathlib import Path

import jinja2
import pandas as pd

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import PAGE, STEPS
from pruning_oracle.bench.terminal import printable
from pruning_oracle.reports.inputs.pruning_runs import MORE, PruningStudy, steps
from pruning_oracle.reports.inputs.tables import csv_text
from pruning_oracle.reports.page.assemble import write_page_file
from pruning_oracle.reports.page.content.contents import contents
from pruning_oracle.reports.page.draw import draw_all, draw_section, set_style
from pruning_oracle.reports.sections import curves, latency, maps_kept, survival
from pruning_oracle.reports.sections.section import CaseStudy

PRUNING = "pruning.html"  # the page of pruning runs, to which that of the criteria links where both lie in one folder


def render(studies: list[CaseStudy], out: Path, jobs: int = 1) -> Path:
    """Writes `index.html`, and every figure as PNG and PDF, into a folder, by so many processes; returns the page's path."""
    networks, sections = draw_all(studies, out, jobs)
    facts, columns = contents(studies, networks, sections)
    beside = {"pruning": PRUNING if (out / PRUNING).is_file() else None}
    write_page_file(facts | beside, columns, out / "index.html")
    return out / "index.html"


def render_pruning(cases: list[list[PruningStudy]], out: Path) -> Path:
    """Writes `pruning.html` with its figures, and `pruning.csv`, a row per step; each case is a list of its studies."""
    set_style()
    shown = []
    for first, *others in cases:
        sections = [curves.section(first), maps_kept.section(first), survival.section(first), latency.section(first)]
        for other in others:
            sections += [curves.section(other, MORE[other.folder]), latency.section(other)]
        parts = [draw_section(section, f"pruning-{first.case}", out, svg=True) for section in sections if section]
        shown.append({"name": first.case, "sections": parts})
    rows = pd.concat([steps(study) for studies in cases for study in studies])
    write_atomically(out / "pruning.csv", csv_text(rows, float_format="%.8g"), STEPS)
    write_atomically(out / PRUNING, _template("pruning.html").render(cases=shown), PAGE)
    return out / PRUNING


def _template(name: str) -> jinja2.Template:
    """A template of this folder, which escapes whatever it is given."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_plain)
    return made.get_template(name)


def _plain(value: object) -> object:
    """Text without control characters; what is markup already stays."""
    return printable(value) if type(value) is str else value
