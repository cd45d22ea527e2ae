"""Every block of code in README, the documentation and the examples' own pages is run, or says why not and is checked."""

import ast
import re
import shutil

import pytest

pytest.importorskip("sybil", reason="pip install 'pruning-oracle[dev]'")
pytest.importorskip("mkdocs", reason="pip install 'pruning-oracle[docs]'")
import shown_commands
from sybil import Document

from pruning_oracle.docs.build import run_page, tutorials

ROOT = tutorials.ROOT
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
SLOW = (
    "docs/tutorials/",
    "README.md",
    "docs/index.md",
    *(f"docs/how-to/{page}.md" for page in ("onnx", "own-network", "run-files", "sets")),
)
LANGUAGES = {"python", "text", *run_page.SHELL, *run_page.DATA}
LOOKS_LIKE_CODE = re.compile(r"^(pruning-oracle|python|make|pip|pytest|import|from|>>>) ", re.MULTILINE)
RUN_ELSEWHERE = ("examples/criteria-repository/README.md", "docs/how-to/criteria-in-ci.md")  # by test_criteria_repository.py
MOST_NOT_RUN = 14


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """Every block of a page with its document, and why it is not run."""
    document = Document(page.read_text("utf-8"), str(page))
    found = run_page.regions(document)
    return [(block, document, run_page.remark("not run", block, document)) for block in found]


def language(block):
    return block.lexemes["arguments"]


def place(block, document):
    return document.line_column(block.start)


def runs_something(page):
    return any(why is None and language(block) in {"python", *run_page.SHELL} for block, _, why in blocks(page))


def parameters():
    """Pages with something to run; those that take more than a few seconds are slow."""
    for page in (page for page in PAGES if runs_something(page) and name_of(page) not in RUN_ELSEWHERE):
        slow = name_of(page).startswith(SLOW)
        yield pytest.param(page, id=name_of(page), marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("page", list(parameters()))
def test_a_page_does_what_it_says(page, tmp_path):
    if page.is_relative_to(ROOT / "examples"):
        folder = shutil.copytree(page.parent, tmp_path / page.parent.name)
    else:
        folder = tmp_path
        (folder / "examples").mkdir()
        for example in (ROOT / "examples").glob("*.py"):
            shutil.copy(example, folder / "examples")
    tutorials.run_page(page, folder)
    if page in TUTORIALS:
        tutorials.keep(page, folder)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_language_that_is_checked(page):
    for block, document, _ in blocks(page):
        drawn = language(block) == "" and not LOOKS_LIKE_CODE.search(block.lexemes["source"])
        assert drawn or language(block) in LANGUAGES, f"{place(block, document)}: nothing checks {language(block)!r}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_could_be(page, pytestconfig):
    for block, document, why in blocks(page):
        if why is None:
            continue
        try:
            if language(block) in run_page.SHELL:
                for command in shown_commands.words_of(str(block.lexemes["source"])):
                    shown_commands.check(command, pytestconfig.getoption)
            elif language(block) == "python":
                ast.parse(str(block.lexemes["source"]))
        except (AssertionError, ValueError, SyntaxError) as error:
            pytest.fail(f"{place(block, document)}: {error}")


def test_few_blocks_are_not_run_and_each_says_why():
    found = [(place(block, document), why) for page in PAGES for block, document, why in blocks(page) if why]
    listed = "\n".join(f"{where}: {why}" for where, why in found)
    assert len(found) <= MOST_NOT_RUN, f"{len(found)} blocks are not run:\n{listed}"
    for page in PAGES:
        text = page.read_text("utf-8")
        stray = [
            line
            for line in re.findall(r"^<!--+ *not.*", text, re.MULTILINE)
            if not re.match(r"<!-- not run: \w.{9,} -->$", line)
        ]
        assert not stray, f"{name_of(page)}: {stray}"
        assert len(re.findall(r"^<!-- not run: ", text, re.MULTILINE)) == sum(why is not None for *_, why in blocks(page)), (
            name_of(page)
        )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_sentences_mention_exist(page):
    for mentioned in re.findall(r"`(pruning-oracle [^`\n]+)`", page.read_text("utf-8")):
        try:
            shown_commands.check_mention(mentioned)
        except AssertionError as error:
            pytest.fail(f"{name_of(page)}: {error}")


def test_what_another_test_runs_is_run_there():
    other = (ROOT / "tests/test_criteria_repository.py").read_text("utf-8")
    assert all(page.rsplit("/", 1)[1] in other for page in RUN_ELSEWHERE)


def test_pictures_that_tutorials_show_are_saved_by_their_blocks():
    for page in TUTORIALS:
        text = page.read_text("utf-8")
        for name in tutorials.shown_on(page):
            assert f'"{name}"' in text, f"{name_of(page)} shows {name}, which no block saves"
