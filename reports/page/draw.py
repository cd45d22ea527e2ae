"""Draws sections: their figures as PNG and PDF files beside the page. Several processes can draw at once."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import FIGURE, FORMAT, PDF
from pruning_oracle.bench.runs.pool import shared_out
from pruning_oracle.reports.inputs.pruning_runs import MORE, PruningStudy
from pruning_oracle.reports.inputs.records import newest_record, trials
from pruning_oracle.reports.page.content.drawn import DrawnSection
from pruning_oracle.reports.page.content.networks import Network, network
from pruning_oracle.reports.sections import (
    agreement_table,
    alike,
    curves,
    dispersion,
    estimated,
    flops,
    heat_map,
    joint_loss,
    latency,
    learning,
    loss_change,
    maps_kept,
    oracle_ranks,
    overview,
    paper,
    precision,
    quality_against_cost,
    sample_size,
    scatter,
    set_studies,
    settling,
    speed,
    survival,
)
from pruning_oracle.reports.sections.section import CaseStudy, Section

TICKS = 40  # that an axis has at most
WHOLE, RECORDS, DATA, PRUNED = (
    "all cases",
    "all records",
    "all data",
    "all pruning",
)  # pieces that are of no case; no case has a space in its name
PREFIXES = {WHOLE: "all", RECORDS: "timings"}  # of their files
OVERVIEWS: tuple[Callable[[list[CaseStudy]], Section | None], ...] = (overview.section, paper.section)
SECTIONS: tuple[Callable[[CaseStudy], Section | None], ...] = (
    agreement_table.section,
    joint_loss.section,
    *(study.section for study in set_studies.EVERY),
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
)
SECTIONS_OF_PRUNING: tuple[Callable[[PruningStudy], Section | None], ...] = (
    lambda study: curves.section(study, MORE.get(study.folder, "")),
    latency.section,
    lambda study: None if study.folder in MORE else maps_kept.section(study),
    lambda study: None if study.folder in MORE else survival.section(study),
)


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn of some cases: each piece is a task for whichever process is free."""

    studies: list[CaseStudy]
    pruned: list[PruningStudy]
    out: Path

    def pieces(self) -> list[tuple[str, int]]:
        """What there is to draw: sections of a case by its name, and pieces that speak of all cases at once."""
        cases = [(study.case, place) for study in self.studies for place in range(len(SECTIONS))]
        data = ((DATA, place) for place in range(len(self.studies)))
        pruned = ((PRUNED, place) for place in range(len(self.pruned) * len(SECTIONS_OF_PRUNING)))
        wholes = ((WHOLE, place) for place in range(len(OVERVIEWS) if self.studies else 0))
        return [*data, *wholes, *((RECORDS, place) for place in range(3)), *cases, *pruned]

    def draw(self, piece: tuple[str, int]) -> DrawnSection | Network | None:
        """One of them, unless there is nothing to show; what the page says of a network is one, too."""
        set_style()
        name, place = piece
        if name == DATA:
            return network(self.studies[place])
        if name == PRUNED:
            study, which = self.of_pruning(place)
            made = SECTIONS_OF_PRUNING[which](study)
            return draw_section(made, f"pruning-{study.case}", self.out) if made else None
        if name == WHOLE:
            section = OVERVIEWS[place](self.studies)
        elif name == RECORDS:
            section = _of_records(place)
        else:
            section = SECTIONS[place](next(study for study in self.studies if study.case == name))
        return draw_section(section, PREFIXES.get(name, name), self.out) if section else None

    def of_pruning(self, place: int) -> tuple[PruningStudy, int]:
        """The pruning study that a piece is of, and the place of its section."""
        return self.pruned[place // len(SECTIONS_OF_PRUNING)], place % len(SECTIONS_OF_PRUNING)


def _of_records(place: int) -> Section | None:
    record = newest_record()
    if place == 2:
        return estimated.section(trials())
    return (speed, precision)[place].section(record) if record else None


def draw_all(
    studies: list[CaseStudy], pruned: list[PruningStudy], out: Path, jobs: int
) -> tuple[list[Network], dict[str, list[DrawnSection]]]:
    """All parts of a page, made by so many processes: its networks; and sections of all cases, records, cases and studies."""
    drawing, parts = Drawing(studies, pruned, out), list[DrawnSection | Network | None]()
    if jobs == 1:
        parts = [drawing.draw(piece) for piece in drawing.pieces()]
    else:
        with shared_out(_draw_held, drawing.pieces(), jobs, _hold, drawing) as futures:
            parts = [future.result() for future in futures]
    found: dict[str, list[DrawnSection]] = {name: [] for name in (WHOLE, RECORDS, *(study.case for study in studies))}
    for (name, place), part in zip(drawing.pieces(), parts, strict=True):
        of = drawing.of_pruning(place)[0] if name == PRUNED else None
        if isinstance(part, DrawnSection):
            found.setdefault(f"{of.folder} of {of.case}" if of else name, []).append(part)
    return [part for part in parts if isinstance(part, tuple)], found


_held: list[Drawing] = []  # in a process that draws: what is drawn, handed over once


def _hold(drawing: Drawing) -> None:
    _held.append(drawing)


def _draw_held(piece: tuple[str, int]) -> DrawnSection | Network | None:
    return _held[0].draw(piece)


def set_style() -> None:
    """How every figure looks; before any is made."""
    matplotlib.use("agg")
    sns.set_theme(style="ticks", context="paper", palette="colorblind")
    plt.rcParams.update(
        {"figure.constrained_layout.use": True, "svg.hashsalt": "pruning-oracle", "svg.fonttype": "path", "pdf.fonttype": 42}
    )
    plt.rcParams["text.parse_math"] = False  # a name from data may hold anything


def draw_section(section: Section, prefix: str, out: Path) -> DrawnSection:
    """A section with its figure drawn as a PNG and a PDF file under a name with that prefix."""
    drawn = DrawnSection(section.title, section.caption, section.table)
    return replace(drawn, files=_draw(section, f"{prefix}-{section.name}", out)) if section.figure else drawn


def show_powers(figure: Figure) -> None:
    """Lets the numbers along logarithmic axes, and no text from data, be set as mathematics."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if axis.get_scale() != "linear"):
        for tick in (*axis.get_major_ticks(TICKS), *axis.get_minor_ticks(TICKS)):
            tick.label1.set_parse_math(True)


def _draw(section: Section, name: str, out: Path) -> list[str]:
    """Writes the figure's files; gives their names."""
    assert section.figure is not None
    show_powers(section.figure)
    made = dict[str, bytes]()
    for form, metadata in {"png": {"Software": FORMAT}, "pdf": {"Creator": FORMAT, "CreationDate": None}}.items():
        into = io.BytesIO()
        section.figure.savefig(into, format=form, dpi=150, metadata=metadata)
        section.figure.set_layout_engine("none")  # the first drawing laid it out; a second time would take as long
        made[form] = into.getvalue()
    plt.close(section.figure)
    for form, kind in (("png", FIGURE), ("pdf", PDF)):
        write_atomically(out / f"{name}.{form}", made[form], kind)
    return [f"{name}.png", f"{name}.pdf"]
