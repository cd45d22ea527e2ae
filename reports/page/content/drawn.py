"""DrawnSection: a section of the report whose figure lies in files."""

from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup


@dataclass(frozen=True)
class DrawnSection:
    """A section as a page takes it: its table, its figure's files beside the page, and, if asked for, its figure as SVG."""

    title: str
    caption: str
    table: pd.DataFrame | None
    files: list[str] = field(default_factory=list)
    svg: Markup | None = None
