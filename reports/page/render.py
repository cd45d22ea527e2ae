"""The renderer: turns sections into one self-contained page with SVG figures, and PNG files beside it."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import matplotlib
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib import pyplot as plt

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.reports.inputs.pruning_runs import MORE, PruningStudy, steps
from pruning_oracle.reports.inputs.records import newest_record, trials
from pruning_oracle.reports.sections import (
    alike,
    curves,
    dispersion,
    estimated,
    flops,
    heat_map,
    latency,
    learning,
    left,
    loss_change,
    oracle_ranks,
    overview,
    paper,
    precision,
    price,
    provenance,
    sample_size,
    scatter,
    settling,
    speed,
    survival,
    table,
)
from pruning_oracle.reports.sections.section import CaseStudy, Section

SECTIONS: tuple[Callable[[CaseStudy], Section | None], ...] = (
    table.section,
    price.section,
    sample_size.section,
    settling.section,
    heat_map.section,
    alike.section,
    dispersion.section,
    flops.section,
    loss_change.section,
    oracle_ranks.section,
    scatter.section,
    learning.section,
    provenance.section,
)


@dataclass(frozen=True)
class Part:
    """A section as the page's template takes it."""

    title: str
    caption: str
    svg: Markup | None
    table: pd.DataFrame | None


def render(studies: list[CaseStudy], out: Path) -> Path:
    """Writes `index.html` and a PNG of every figure into a folder; returns the page's path."""
    _style()
    first = [_part(found, "all", out) for found in (overview.section(studies), paper.section(studies))]
    cases = []
    for study in studies:
        made = [section(study) for section in SECTIONS]
        cases.append({"name": study.case, "sections": [_part(found, study.case, out) for found in made if found]})
    described = {name: facts for study in studies for name, facts in study.runs[0].criteria.facts["criteria"].items()}
    record = newest_record()
    timings = [_part(found, "timings", out) for found in (speed.section(record), precision.section(record))] if record else []
    tried = estimated.section(trials())
    timings += [_part(tried, "timings", out)] if tried else []
    facts = {"described": described, "criteria": len(described)}
    page = _template("page.html").render(overview=first, cases=cases, timings=timings, **facts)
    write_atomically(out / "index.html", page)
    return out / "index.html"


def render_pruning(known: list[list[PruningStudy]], out: Path) -> Path:
    """Writes `pruning.html` with its figures, and `pruning.csv`, a row per step; each case is a list of its studies."""
    _style()
    cases = []
    for first, *others in known:
        made = [curves.section(first), left.section(first), survival.section(first), latency.section(first)]
        for other in others:
            made += [curves.section(other, MORE[other.folder]), latency.section(other)]
        shown = [_part(found, f"pruning-{first.case}", out) for found in made if found]
        cases.append({"name": first.case, "sections": shown})
    rows = pd.concat([steps(study) for found in known for study in found])
    write_atomically(out / "pruning.csv", rows.to_csv(index=False, float_format="%.8g"))
    write_atomically(out / "pruning.html", _template("pruning.html").render(cases=cases))
    return out / "pruning.html"


def _style() -> None:
    """How every figure looks."""
    matplotlib.use("agg")
    sns.set_theme(style="ticks", context="paper")
    plt.rcParams.update({"figure.constrained_layout.use": True, "svg.hashsalt": "pruning-oracle", "svg.fonttype": "path"})


def _template(name: str) -> jinja2.Template:
    """A template of this folder, which escapes whatever it is given."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(name)


def _part(section: Section, case: str, out: Path) -> Part:
    """A section with its figure drawn, whose PNG is written."""
    svg = None if section.figure is None else _draw(section, f"{case}-{section.name}", out)
    return Part(section.title, section.caption, svg, section.table)


def _draw(section: Section, name: str, out: Path) -> Markup:
    """Writes the figure's PNG and gives its SVG, with ids of its own so that figures do not borrow from one another."""
    assert section.figure is not None
    image, drawing = io.BytesIO(), io.StringIO()
    section.figure.savefig(image, format="png", dpi=150)
    section.figure.set_layout_engine("none")  # the first drawing laid it out; a second time would take as long
    section.figure.savefig(drawing, format="svg", metadata={"Date": None})
    plt.close(section.figure)
    write_atomically(out / f"{name}.png", image.getvalue())
    text = drawing.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return Markup(text)  # noqa: S704 (matplotlib escapes every label it draws)
