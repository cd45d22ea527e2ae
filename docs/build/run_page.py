"""Runs a page as its reader would: every block of code of a Markdown file, in order, in the folder where this is started.

Blocks of Python share their names, blocks of `sh` are run by bash, and a block of `text` shows what the block before it prints:
`…` there stands for anything, and numbers are compared as far as they are written. Right above a block, the comment
`<!-- not run: WHY -->` keeps it from being run or compared, and `<!-- numbers vary: WHY -->` its numbers from being compared.
Started as `python -m pruning_oracle.docs.build.run_page FILE`.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path

import yaml
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

SHELL = ("sh", "bash")
REMARK = re.compile(r"<!-- (?P<what>not run|numbers vary): (?P<why>\S[^\n]*?) -->\s*\Z")
NUMBER = re.compile(r"[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


class PageError(Exception):
    """A block of a page does not do what the page says."""


def latex(text: str) -> None:
    """ValueError unless every brace that LaTeX opens is closed."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            break
    if depth:
        raise ValueError("braces do not match")


DATA: dict[str, Callable[[str], object]] = {"yaml": yaml.safe_load, "toml": tomllib.loads, "json": json.loads, "latex": latex}


def remark(what: str, example: Region, document: Document) -> str | None:
    """The reason that a comment right above a block gives for `what`; None if there is no such comment."""
    found = REMARK.search(document.text[: example.start])
    return found["why"] if found and found["what"] == what else None


def value(text: str) -> float:
    """A number as it is printed."""
    return float(text.replace("−", "-").replace(",", ""))


def slack(text: str) -> float:
    """How far off a number may be: one in the last decimal that is written; whole numbers are exact."""
    digits, _, power = text.partition("e")
    decimals = len(digits.partition(".")[2])
    return 1.01 * 10.0 ** (int(power or 0) - decimals) if decimals or power else 0.0


def same(expected: str, printed: str, vary: bool) -> bool:
    """Whether a line that was printed is the one that a page shows; numbers that `vary` may be any."""
    expected, printed = (" ".join(line.split()) for line in (expected, printed))
    parts = [re.escape(part).replace("…", ".*") for part in NUMBER.split(expected)]
    found = re.fullmatch(f"({NUMBER.pattern})".join(parts), printed)
    if found is None:
        return False
    pairs = zip(found.groups(), NUMBER.findall(expected), strict=True)
    return vary or all(abs(value(own) - value(shown)) <= slack(shown) for own, shown in pairs)


def check_shown(shown: str, printed: str, vary: bool) -> None:
    """PageError unless the lines that a page shows are among those printed, in order; a line `…` may stand for several."""
    rest = [line for line in printed.splitlines() if line.strip()]
    anywhere = True
    for line in (line for line in shown.splitlines() if line.strip()):
        if line.strip() == "…":
            anywhere = True
            continue
        where = next((place for place, own in enumerate(rest) if same(line, own, vary)), None)
        if where is None or (where and not anywhere):
            raise PageError(f"the page shows\n    {line}\nand what is printed from there on is\n{chr(10).join(rest)}")
        rest, anywhere = rest[where + 1 :], False


class Reader:
    """Somebody who does what a page says, block by block."""

    def __init__(self) -> None:
        """Nothing was printed yet."""
        self.printed = ""

    def python(self, example: Example) -> None:
        """Runs Python, keeping what it prints."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            PythonEvaluator()(example)
        self.printed = out.getvalue()

    def shell(self, example: Example) -> None:
        """Runs a shell's commands, keeping what they print; the first that fails ends it."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", example.parsed], capture_output=True, text=True, check=False)
        self.printed = done.stdout
        if done.returncode:
            raise PageError(f"exit status {done.returncode}\n{done.stdout}{done.stderr}")

    def text(self, example: Example) -> None:
        """Compares what a page shows with what was printed."""
        check_shown(example.parsed, self.printed, bool(remark("numbers vary", example.region, example.document)))

    def data(self, example: Example) -> None:
        """Reads data."""
        DATA[example.region.lexemes["arguments"]](example.parsed)

    def parsers(self) -> list[CodeBlockParser]:
        """A parser for every language that is read."""
        own = {"python": self.python, "text": self.text} | dict.fromkeys(SHELL, self.shell) | dict.fromkeys(DATA, self.data)
        return [CodeBlockParser(language, evaluate) for language, evaluate in own.items()]


def regions(document: Document) -> list[Region]:
    """Every block of a page, whatever its language; blocks without one have an empty name."""
    lexer = FencedCodeBlockLexer(r"[^\n]*?", mapping={"language": "arguments", "source": "source"})
    return sorted(lexer(document), key=lambda region: region.start)


def run(page: Path) -> None:
    """Runs a page; PageError, naming page and line, at the first block that does not do what the page says."""
    document = Sybil(parsers=Reader().parsers(), path=str(page.parent)).parse(page)
    document.namespace["__name__"] = "__main__"  # as in a script, a notebook or at a prompt
    for example in document.examples():
        if remark("not run", example.region, document):
            continue
        try:
            example.evaluate()
        except Exception as error:
            raise PageError(f"{page}:{example.line}: {said(error, page)}") from error


def said(error: Exception, page: Path) -> str:
    """What is wrong: the lines of the page that led there, and the error."""
    if isinstance(error, PageError):
        return str(error)
    lines = [f"line {frame.lineno}" for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(page)]
    return f"{', '.join(lines)}: {type(error).__name__}: {error}"


def commands_on_path(folder: Path) -> None:
    """Makes `python`, `pytest` and `pruning-oracle` mean this interpreter and this suite, in all that is started later."""
    installed = importlib.metadata.entry_points(group="pytest11", name="pruning-oracle")
    plugin = "" if installed else " -p pruning_oracle.reports.pytest_plugin.plugin"
    for name, means in {"python": "", "pytest": f" -m pytest{plugin}", "pruning-oracle": " -m pruning_oracle"}.items():
        place = folder / name
        place.write_text(f'#!/bin/sh\nexec "{sys.executable}"{means} "$@"\n')
        place.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def main() -> int:
    """Runs the page that the command line names; prints what fails on it, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        commands_on_path(Path(folder))
        try:
            run(Path(sys.argv[1]).resolve())
        except PageError as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
