"""The LaTeX tables: what they say, whatever names hold, and that LaTeX sets them within a column, with nothing sticking out."""

import re

import numpy as np
import pytest
from commands import command
from tex import complaints, needs_tex
from written_runs import SITES, write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs import kinds
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.reports.latex import latex_text
from pruning_oracle.reports.report import grade_run, read_case_study
from pruning_oracle.reports.sections.latex_table import CASES, ROWS, column_tables, page_tables

COLUMNS = [(252, 516), (234, 487), (397, None)]  # IEEE's, the narrow ones of ICML and CVPR, and NeurIPS's only one
EMBEDDED = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")
HOSTILE = [
    "a_b%c&d#e$f{g}h\\i^j~k",
    "[begins as an argument",
    "*",
    "ünïcode_łetter_Ångström",
    "网络_😀😀",
    "α_λ",
    '<i>|"x"--y',
    "M" * 60,
    "\\input{secrets}",
    "a_very_long_name_of_a_criterion_with_many_words_in_it_that_goes_on_and_on",
]
CASE_NAMES = ["toy", "mine_of.somebody-with+a=long,name", "Éà网-WWWWWWWWWWWWWWWWWWWW", "a" * 150]


def studies(root, cases, names=(), seeds=(0,), noise=0.5):
    scores = {}
    for place, name in enumerate(names):
        random = np.random.default_rng(place)
        scores[name] = ("mean", {site: random.normal(size=(50, maps)) for site, maps in SITES.items()})
    for case in cases:
        for seed in seeds:
            write_run(root, case=case, seed=seed, scores=scores or None, noise=noise)
            grade_run(case, seed, root)
    return [read_case_study(case, list(seeds), root) for case in cases]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return studies(tmp_path_factory.mktemp("hostile"), CASE_NAMES, HOSTILE)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """Runs with the names of the embedded cases and of all criteria."""
    names = [one.name for one in choose_criteria(["all"])]
    return studies(tmp_path_factory.mktemp("embedded"), EMBEDDED, names, seeds=(0, 1))


def cells(text):
    """The rows of the tables in LaTeX: what stands in the first column, and what in the others."""
    lines = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    return [(first, rest) for first, *rest in lines]


def test_the_figures_are_those_of_the_table(tmp_path):
    one = studies(tmp_path / "one", ["toy"], noise=60.0)
    two = studies(tmp_path / "two", ["toy"], seeds=(0, 1, 2), noise=60.0)
    for study, small in ((one[0], ["low", "high"]), (two[0], ["spearman", "spearman"])):
        rows = study.agreement.query("oracle == 'oracle_abs' and examples == 'fresh' and scope == 'mean over sites'")
        found = dict(cells(column_tables([study])))
        low, high = rows.groupby("criterion")[small[0]].min(), rows.groupby("criterion")[small[1]].max()
        middle = rows.groupby("criterion").spearman.median()
        for name in ("perfect", "oracle of 16 examples"):
            assert found[name] == [f"${middle[name]:z.2f}_{{{low[name]:z.2f}}}^{{{high[name]:z.2f}}}$"]
        assert round(low["perfect"], 2) < round(high["perfect"], 2)
        assert found["constant"] == ["undefined"]
        assert found["noise ceiling"] == [f"${rows.groupby('seed').ceiling.first().median():.2f}$"]
        assert next(iter(found)) == "criterion"
        assert list(found).index("perfect") < list(found).index("opposite") < list(found).index("constant")
    assert len(page_tables(one).split(r"\begin{table*}")) == 2
    assert [len(rest) for first, rest in cells(page_tables(one)) if first == "perfect"] == [6]


def test_a_criterion_that_a_case_lacks_is_a_dash_that_is_explained(tmp_path):
    first = studies(tmp_path / "a", ["a"], ["taylor"])
    text = column_tables([*first, *studies(tmp_path / "b", ["b"], ["taylor", "norm"])])
    assert dict(cells(text))["norm"][0] == "--"
    assert " --: unavailable there." in text
    assert "unavailable" not in column_tables(first)


def test_many_cases_and_criteria_are_several_tables_with_labels_of_their_own(hostile, embedded):
    text = column_tables(hostile)
    assert text.count(r"\begin{table}") == 2 == -(-len(hostile) // CASES)
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:pruning-oracle", "tab:pruning-oracle-2"]
    assert "% Labels: tab:pruning-oracle, tab:pruning-oracle-2\n" in text
    parts = column_tables(embedded).split(r"\begin{table}")[1:]
    assert len(parts) == -(-(len(choose_criteria(["all"])) + 3) // ROWS)
    assert all(len(cells(part)) - 3 <= ROWS for part in parts)
    shown = [first for part in parts for first, _ in cells(part)[1:-2]]
    assert len(shown) == len(set(shown)) == len(choose_criteria(["all"])) + 3


def test_the_comment_holds_all_of_the_source_and_nothing_of_a_name_is_a_command(hostile):
    for text in (column_tables(hostile), page_tables(hostile)):
        head, body = text.split("\n\n", 1)
        assert all(line.startswith("%") for line in head.splitlines())
        for said in (
            "commit abc",
            "seed 0 with 200 oracle and 200 fresh examples",
            "booktabs,tabularx",
            "@misc{pruning-oracle,",
        ):
            assert said in head
        assert r"\input" not in body
        assert r"\textbackslash{}input\textbraceleft{}" in body.replace(r"\allowbreak{}", "").replace(r"\penalty500{}", "")


@needs_tex
@pytest.mark.parametrize(("column", "page"), COLUMNS)
@pytest.mark.parametrize("names", ["embedded", "hostile"])
def test_latex_sets_them_within_the_column(request, tmp_path, names, column, page):
    known = request.getfixturevalue(names)
    (tmp_path / "agreement.tex").write_text(column_tables(known))
    (tmp_path / "agreement-full.tex").write_text(page_tables(known))
    found = complaints(tmp_path, "\\input{agreement}\n\\input{agreement-full}", column, page)
    assert not found


@needs_tex
def test_what_sticks_out_would_be_seen(tmp_path, hostile):
    narrow = re.sub(r"p\{5em\}", "p{4em}", column_tables(hostile))
    assert any(line.startswith("Overfull") for line in complaints(tmp_path, narrow, 234, 487))


@needs_tex
def test_every_character_that_is_kept_is_set(tmp_path):
    letters = [chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x250), *range(0x370, 0x400), 0x2013, 0x2212, 0x2026)]
    body = "\n\n".join(latex_text(letter, run=4) for letter in letters)
    assert not complaints(tmp_path, body, 345)


def test_text_in_latex():
    assert latex_text("ä") == "ä" == latex_text("a\u0308")
    assert latex_text("网--π") == r"U+7F51-{}-$\pi$"
    assert latex_text("a_b c", run=8) == r"a\_\allowbreak{}b c"
    assert latex_text("abcde", run=4) == r"abcd\penalty500{}e"
    assert latex_text("a\nb\x1b") == r"a\textbackslash{}nb\textbackslash{}x1b"


def test_tables_of_this_and_of_the_earlier_version_are_known(tmp_path, hostile):
    earlier = tmp_path / "earlier.tex"
    earlier.write_text("\\begin{tabular}{ll}\n\\toprule\ncase & oracle & criterion & x \\\\\na & b & noise ceiling & 1 \\\\\n")
    assert kinds.is_a(earlier, kinds.AGREEMENT_LATEX)
    for place, text in enumerate((column_tables(hostile), page_tables(hostile))):
        runs.write_atomically(earlier, text, kinds.AGREEMENT_LATEX)
        assert earlier.read_text() == text, place
        assert kinds.is_a(earlier, kinds.AGREEMENT_LATEX)
    (tmp_path / "theirs.tex").write_text("criterion & noise ceiling & ")
    assert not kinds.is_a(tmp_path / "theirs.tex", kinds.AGREEMENT_LATEX, kinds.DESCRIPTION)


@needs_tex
@pytest.mark.slow
def test_of_really_measured_cases(tmp_path, monkeypatch):
    monkeypatch.setattr("pruning_oracle.reports.report.render", lambda *given: None)  # figures are no part of this
    for case in EMBEDDED:
        for stage in (["oracle", case], ["criteria", case, "--criteria", "quick"]):
            done = command(*stage, "--examples", "8", "--batch", "8", "--device", "cpu", folder=tmp_path)
            assert done.returncode == 0, done.stderr
        assert command("reports", "grade", case, folder=tmp_path).returncode == 0
    assert command("reports", "page", *EMBEDDED, folder=tmp_path).returncode == 0
    out = tmp_path / "report"
    assert not complaints(out, "\\input{agreement}\n\\input{agreement-full}", *COLUMNS[0])
    assert "commit" in (out / "agreement.tex").read_text()
