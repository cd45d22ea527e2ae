"""Figures as SVG files of the site, and sections of the report as Markdown."""

import io
import re

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pruning_oracle.reports.inputs.tables import markdown
from pruning_oracle.reports.page.draw import set_style, show_powers
from pruning_oracle.reports.sections.section import Section

FOLDER = "figures"
drawn: dict[str, bytes] = {}  # the files drawn so far, by their place in the site


def svg(figure: Figure) -> bytes:
    """A figure as an SVG file without a date, so that the same figure is the same bytes; the figure is closed."""
    file = io.BytesIO()
    show_powers(figure)
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return file.getvalue()


def picture(figure: Figure, name: str, says: str) -> str:
    """Markdown that shows a figure, from a page one folder below the top; `says` is read out where it is not seen."""
    drawn[f"{FOLDER}/{name}.svg"] = svg(figure)
    return f"![{re.sub(r'[][<>|]', ' ', says)}](../{FOLDER}/{name}.svg)"


def shown(section: Section | None, says: str = "", table: bool = True) -> str:
    """A section of the report as Markdown: its figure, its table and its caption; ValueError if there is nothing to show."""
    if section is None:
        raise ValueError("a page shows a section of which no record holds anything")
    parts = []
    if section.figure is not None:
        parts.append(picture(section.figure, section.name, says or section.title))
    if table and section.table is not None:
        parts.append(markdown(section.table, disable_numparse=True))
    return "\n\n".join([*parts, f"<small>{section.caption}</small>"])


set_style()
