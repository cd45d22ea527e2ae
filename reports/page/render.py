"""The renderer: puts what was measured together into one self-contained page, with its figures and steps beside it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import STEPS
from pruning_oracle.reports.inputs.pruning_runs import PrunedCase, steps
from pruning_oracle.reports.inputs.tables import csv_text
from pruning_oracle.reports.page.assemble import write_page_file
from pruning_oracle.reports.page.content.contents import contents
from pruning_oracle.reports.page.draw import draw_all
from pruning_oracle.reports.sections.section import CaseStudy


def render(studies: list[CaseStudy], out: Path, jobs: int = 1, pruned: Sequence[PrunedCase] = ()) -> Path:
    """Writes `index.html`, and every figure as PNG and PDF, into a folder, by so many processes; returns the page's path.

    Where cases were pruned, it writes `pruning.csv`, too: a row per step of every run.
    """
    known = [study for one in pruned for study in one.studies]
    networks, sections = draw_all(studies, known, out, jobs)
    if known:
        rows = pd.concat([steps(study) for study in known])
        write_atomically(out / "pruning.csv", csv_text(rows, float_format="%.8g"), STEPS)
    write_page_file(*contents(studies, networks, sections, pruned), out / "index.html")
    return out / "index.html"
