"""Draws sections: a figure as SVG for the page and as a PNG file beside it. Several processes can draw at once."""

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import FIGURE, FORMAT
from pruning_oracle.bench.runs.pool import shared_out
from pruning_oracle.reports.inputs.records import newest_record, trials
from pruning_oracle.reports.sections import (
    agreement_table,
    alike,
    dispersion,
    estimated,
    flops,
    heat_map,
    joint_loss,
    learning,
    loss_change,
    oracle_ranks,
    overview,
    paper,
    precision,
    provenance,
    quality_against_cost,
    sample_size,
    scatter,
    settling,
    speed,
)
from pruning_oracle.reports.sections.section import CaseStudy, Section

TICKS = 40  # that an axis has at most
WHOLE, RECORDS = "all cases", "all records"  # pieces that are of no case; no case has a space in its name
PREFIXES = {WHOLE: "all", RECORDS: "timings"}  # of their files
OVERVIEWS: tuple[Callable[[list[CaseStudy]], Section | None], ...] = (overview.section, paper.section)
SECTIONS: tuple[Callable[[CaseStudy], Section | None], ...] = (
    agreement_table.section,
    joint_loss.section,
    quality_against_cost.section,
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
class DrawnSection:
    """A section as the page's template takes it."""

    title: str
    caption: str
    svg: Markup | None
    table: pd.DataFrame | None


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn of some cases: each piece is a task for whichever process is free."""

    studies: list[CaseStudy]
    out: Path

    def pieces(self) -> list[tuple[str, int]]:
        """What there is to draw: sections of a case by its name, and pieces that speak of all cases at once."""
        cases = [(study.case, place) for study in self.studies for place in range(len(SECTIONS))]
        return [*((WHOLE, place) for place in range(len(OVERVIEWS))), *((RECORDS, place) for place in range(3)), *cases]

    def draw(self, piece: tuple[str, int]) -> DrawnSection | None:
        """One of them, unless there is nothing to show."""
        set_style()
        name, place = piece
        if name == WHOLE:
            section = OVERVIEWS[place](self.studies)
        elif name == RECORDS:
            section = _of_records(place)
        else:
            section = SECTIONS[place](next(study for study in self.studies if study.case == name))
        return draw_section(section, PREFIXES.get(name, name), self.out) if section else None


def _of_records(place: int) -> Section | None:
    record = newest_record()
    if place == 2:
        return estimated.section(trials())
    return (speed, precision)[place].section(record) if record else None


def draw_all(studies: list[CaseStudy], out: Path, jobs: int) -> dict[str, list[DrawnSection]]:
    """All parts of a page, drawn by so many processes: of all cases, of records, and of each case by its name."""
    drawing, parts = Drawing(studies, out), list[DrawnSection | None]()
    if jobs == 1:
        parts = [drawing.draw(piece) for piece in drawing.pieces()]
    else:
        with shared_out(_draw_held, drawing.pieces(), jobs, _hold, drawing) as futures:
            parts = [future.result() for future in futures]
    found: dict[str, list[DrawnSection]] = {name: [] for name in (WHOLE, RECORDS, *(study.case for study in studies))}
    for (name, _), part in zip(drawing.pieces(), parts, strict=True):
        found[name] += [part] if part else []
    return found


_held: list[Drawing] = []  # in a process that draws: what is drawn, handed over once


def _hold(drawing: Drawing) -> None:
    _held.append(drawing)


def _draw_held(piece: tuple[str, int]) -> DrawnSection | None:
    return _held[0].draw(piece)


def set_style() -> None:
    """How every figure looks; before any is made."""
    matplotlib.use("agg")
    sns.set_theme(style="ticks", context="paper")
    plt.rcParams.update({"figure.constrained_layout.use": True, "svg.hashsalt": "pruning-oracle", "svg.fonttype": "path"})
    plt.rcParams["text.parse_math"] = False  # a name from data may hold anything


def draw_section(section: Section, prefix: str, out: Path) -> DrawnSection:
    """A section with its figure drawn; a PNG of that is written under a name with that prefix."""
    svg = None if section.figure is None else _draw(section, f"{prefix}-{section.name}", out)
    return DrawnSection(section.title, section.caption, svg, section.table)


def show_powers(figure: Figure) -> None:
    """Lets the numbers along logarithmic axes, and no text from data, be set as mathematics."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if axis.get_scale() != "linear"):
        for tick in (*axis.get_major_ticks(TICKS), *axis.get_minor_ticks(TICKS)):
            tick.label1.set_parse_math(True)


def _draw(section: Section, name: str, out: Path) -> Markup:
    """Writes the figure's PNG and gives its SVG, with ids of its own so that figures do not borrow from one another."""
    assert section.figure is not None
    image, drawing = io.BytesIO(), io.StringIO()
    show_powers(section.figure)
    section.figure.savefig(image, format="png", dpi=150, metadata={"Software": FORMAT})
    section.figure.set_layout_engine("none")  # the first drawing laid it out; a second time would take as long
    section.figure.savefig(drawing, format="svg", metadata={"Date": None})
    plt.close(section.figure)
    write_atomically(out / f"{name}.png", image.getvalue(), FIGURE)
    text = drawing.getvalue()
    text = text[text.index("<svg") :]
    own = f"figure-{hashlib.sha256(name.encode()).hexdigest()[:12]}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: found[1] + own, text)
    return Markup(text)  # noqa: S704 (matplotlib escapes every label it draws)
