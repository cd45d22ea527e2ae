"""The first picture: what the lines of the first page draw, made by running them."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pruning_oracle.docs.build import pictures

PAGE = Path(__file__).parents[1] / "index.md"
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def first_lines() -> str:
    """The first block of Python of the first page."""
    found = CODE.search(PAGE.read_text("utf-8"))
    assert found, f"{PAGE} has no block of Python"
    return found[1]


def value_of_last(code: str) -> Any:
    """Runs lines of Python; returns the value of the last, which must be an expression."""
    *before, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), str(PAGE), "exec"), names)  # noqa: S102 (the page's own lines)
    return eval(compile(ast.Expression(last.value), str(PAGE), "eval"), names)  # noqa: S307 (the same)


def first_picture(says: str) -> str:
    """Runs the first page's lines; shows what they print, and the figure that the last of them makes."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):  # progress is no part of the page
        figure = value_of_last(first_lines())
    assert isinstance(figure, Figure)
    picture = pictures.picture(figure, "first-oracle", says).replace("](../", "](")
    return f"```text\n{printed.getvalue()}```\n\n{picture}"
