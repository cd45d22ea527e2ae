"""DrawnSection: a section of the report whose figure lies in files."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class DrawnSection:
    """A section as a page takes it: its table, and its figure's files beside the page."""

    title: str
    caption: str
    table: pd.DataFrame | None
    files: list[str] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        """What the page says of it: title, caption, table, and the names of its files."""
        table = self.table
        cells = (
            None
            if table is None
            else {"columns": [str(name) for name in table.columns], "rows": table.astype(str).to_numpy().tolist()}
        )
        return {"title": self.title, "caption": self.caption, "files": self.files, "table": cells}
