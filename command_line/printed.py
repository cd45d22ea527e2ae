"""Tables as people read them: drawn on a terminal, Markdown elsewhere; all text from data is made printable first."""

import io
import sys

import pandas as pd

from pruning_oracle.bench.terminal import GuardedStream, one_line
from pruning_oracle.reports.inputs.tables import markdown


def print_table(table: pd.DataFrame, title: str = "", note: str = "") -> None:
    """Prints a table of texts and numbers with what is said above and below it."""
    stream = sys.stdout
    if not (isinstance(stream, GuardedStream) and stream.isatty()):
        print("\n\n".join(filter(None, [f"\n{title}" if title else "", markdown(table, disable_numparse=True), note])))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(one_line(title)), caption=Text(one_line(note)), box=box.SIMPLE_HEAD, title_justify="left")
    for place, name in enumerate(table.columns):
        drawn.add_column(Text(one_line(str(name))), justify="left" if place == 0 else "right")
    for row in table.itertuples(index=False):
        drawn.add_row(*(Text(one_line(str(cell))) for cell in row))
    page = io.StringIO()
    Console(file=page, force_terminal=True).print(drawn)
    stream.styled(page.getvalue())
