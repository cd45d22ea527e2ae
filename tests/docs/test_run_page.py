"""What runs pages notices what is wrong on one, and names page and line."""

import pytest

pytest.importorskip("sybil", reason="pip install 'pruning-oracle[dev]'")
from pruning_oracle.docs.build import run_page
from pruning_oracle.docs.build.run_page import PageError


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Runs a page with that text in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"

    def run(text):
        page.write_text(text, "utf-8")
        run_page.run(page)

    return run


def block(language, text):
    return f"```{language}\n{text}\n```\n"


def test_blocks_share_names_and_a_folder(read, tmp_path):
    read(
        block("python", "word = 'a'")
        + block("sh", "echo b > file.txt")
        + block("python", "from pathlib import Path\nprint(word, Path('file.txt').read_text())")
        + block("text", "a b")
    )
    assert (tmp_path / "file.txt").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (block("python", "1 / 0"), r"page.md:1: line 2: ZeroDivisionError: division by zero"),
        ("\n\n" + block("python", "def f():\n    raise OSError('no')\nf()"), r"page.md:3: line 6, line 5: OSError: no"),
        (block("sh", "false | cat"), r"page.md:1: exit status 1"),
        (block("sh", "ls nowhere; echo done"), r"page.md:1: exit status 2\n.*nowhere"),
        (block("python", "print(0.52)") + block("text", "0.50"), r"page.md:4: the page shows\n    0.50\n.*\n0.52"),
        (block("python", "print('a\\nb\\nc')") + block("text", "a\nc"), r"page.md:4: the page shows\n    c"),
        (block("python", "print('a')") + block("text", "a\nb"), r"page.md:4: the page shows\n    b"),
        (block("yaml", "a: [1"), r"page.md:1: .*ParserError"),
        (block("latex", "\\cite{a"), r"page.md:1: .*braces do not match"),
        (block("toml", "a = "), r"page.md:1: .*TOMLDecodeError"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(read, text, said):
    with pytest.raises(PageError, match=said):
        read(text)


def test_a_block_that_is_not_run_is_not_run(read):
    read("<!-- not run: it fails -->\n" + block("sh", "false") + "<!-- not run: no reason to -->\n" + block("python", "1 / 0"))
    with pytest.raises(PageError):
        read("<!-- not run: it fails -->\n" + block("sh", "true") + block("python", "1 / 0"))


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("taylor  0.91 [0.89, 0.92]", "  taylor 0.92 [0.89, 0.91]"),
        ("−0.08 …", "−0.08 of that and more"),
        ("about 1.2e-07", "about 1.3e-07"),
        ("1,437 examples", "1,437 examples"),
        ("first\n…\nlast", "first\nsecond\nthird\nlast"),
        ("last", "first\nlast"),
    ],
)
def test_what_is_shown_is_compared_as_far_as_it_is_written(shown, printed):
    run_page.check_shown(shown, printed, vary=False)


@pytest.mark.parametrize(
    ("shown", "printed"), [("0.91", "0.93"), ("12 maps", "13 maps"), ("0.08", "−0.08"), ("1e-07", "1e-05"), ("a", "b")]
)
def test_what_differs_is_seen(shown, printed):
    with pytest.raises(PageError, match="the page shows"):
        run_page.check_shown(shown, printed, vary=False)


def test_numbers_may_vary_where_the_page_says_so(read):
    printed = block("python", "print('3 seconds')")
    read(printed + "<!-- numbers vary: it is a time -->\n" + block("text", "5 seconds"))
    with pytest.raises(PageError):
        read(printed + block("text", "5 seconds"))
    with pytest.raises(PageError):
        read(printed + "<!-- numbers vary: it is a time -->\n" + block("text", "5 minutes"))
