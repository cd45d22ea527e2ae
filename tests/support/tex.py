"""Compiles LaTeX and BibTeX for tests, where they are installed."""

import shutil
import subprocess

import pytest

WRONG = ("!", "Overfull", "LaTeX Warning: Float too large", "Missing character")
needs_tex = pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("bibtex")),
    reason="pdflatex is not installed: apt-get install texlive-latex-recommended",
)


def complaints(folder, body, column, page=None):
    """What pdfLaTeX finds wrong with a body whose columns are so many points wide; two of them, if there is a page."""
    sizes = rf"\setlength\textwidth{{{page or column}pt}}\setlength\columnsep{{{page - 2 * column if page else 10}pt}}"
    head = rf"\documentclass[{'twocolumn' if page else 'onecolumn'}]{{article}}\usepackage{{booktabs,tabularx}}{sizes}"
    (folder / "paper.tex").write_text(
        f"{head}\n\\begin{{document}}\n\\typeout{{wide: \\the\\columnwidth}}\n{body}\n\\end{{document}}"
    )
    log = ran(folder, "pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper", log="paper.log")
    assert f"wide: {float(column)}pt" in log
    return [line for line in log.splitlines() if line.startswith(WRONG)]


def ran(folder, *words, log):
    """The log of a program of TeX's."""
    subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=60)
    return (folder / log).read_text("utf-8", errors="replace")
