"""What the suite's own criteria say of themselves in their source: family and formula, read without importing them."""

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

from pruning_oracle.bench.runs.provenance import ROOT

FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
PEERS = "Other libraries' criteria"
OWN = "Your criteria"  # defined outside the suite


@dataclass(frozen=True)
class Definition:
    """A criterion as its source has it: the family that its file makes, its formula as LaTeX, and where it is."""

    family: str
    formula: str
    file: str


@functools.cache
def definitions() -> dict[str, Definition]:
    """Every criterion of the suite by its name."""
    found: dict[str, Definition] = {}
    for path in sorted([*ROOT.glob("criteria/*.py"), *ROOT.glob("criteria/peers/*.py")]):
        found |= _in_file(path)
    return found


def families() -> list[str]:
    """The names of all families, in an order that no run changes; the last is of criteria from outside the suite."""
    return [*sorted({one.family for one in definitions().values()}), OWN]


def _in_file(path: Path) -> dict[str, Definition]:
    tree = ast.parse(path.read_text("utf-8"))
    first = re.split(r"[:,.] ", ast.get_docstring(tree) or "", maxsplit=1)[0]
    family = PEERS if path.parent.name == "peers" else first
    where = path.relative_to(ROOT).as_posix()
    marked = [node for node in tree.body if isinstance(node, ast.FunctionDef) and any(map(_is_criterion, node.decorator_list))]
    return {node.name: Definition(family, _formula(ast.get_docstring(node) or ""), where) for node in marked}


def _is_criterion(mark: ast.expr) -> bool:
    return isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "criterion"


def _formula(document: str) -> str:
    found = FORMULA.search(document)
    return " ".join(found[1].split()) if found else ""
