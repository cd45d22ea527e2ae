"""Reports of a network whose modules an enemy named: no markup, formula, mathematics or escape of theirs gets through."""

import csv
import html.parser
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from pages import facts_of
from torch import nn
from torch.utils.data import TensorDataset
from written_runs import SITES, write_run

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.runs import kinds
from pruning_oracle.command_line.grading import table as print_agreement
from pruning_oracle.command_line.groups import RunsOptions
from pruning_oracle.reports.inputs.read import WRITTEN, read_run
from pruning_oracle.reports.inputs.site_names import shown_names
from pruning_oracle.reports.inputs.tables import csv_text, defused, markdown, read_csv, restored
from pruning_oracle.reports.report import REPORT, grade_run, read_case_study
from pruning_oracle.reports.report import write_page as page

NAMES = [
    '"><img src=x onerror=alert(1)>',
    "a$b$ \\frac{",
    "=HYPERLINK(1)",
    "all sites",
    "NA",
    "red\x1b[31m\nerror: forged | cell",
    "x" * 300,
]


class Tags(html.parser.HTMLParser):
    """Counts the tags of a page, and gathers what they carry."""

    def __init__(self):
        super().__init__()
        self.tags, self.handlers = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def tags_of(path):
    found = Tags()
    found.feed(path.read_text())
    return found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose sites have such names, its report, and that of the same run with plain names."""
    root = tmp_path_factory.mktemp("hostile")
    maps = dict(zip(NAMES, range(4, 4 + len(NAMES)), strict=True))
    for name, sites in (("hostile", maps), ("plain", {f"s{place}": count for place, count in enumerate(maps.values())})):
        write_run(root / name, sites=sites)
        grade_run("toy", 0, root / name)
        page(["toy"], [0], root / name, root / name / "out")
    return root


def test_no_tag_of_a_name_is_on_the_page(hostile):
    theirs, plain = (tags_of(hostile / name / "out/index.html") for name in ("hostile", "plain"))
    assert theirs.tags == plain.tags
    assert "img" not in theirs.tags
    assert not theirs.handlers
    said = json.dumps(facts_of(hostile / "hostile/out/index.html"), ensure_ascii=False)
    assert "<img" in said
    assert "\x1b" not in said


def test_tables_hold_no_formula_and_give_the_names_back(hostile):
    folder = hostile / "hostile/toy/0"
    for path in [*folder.glob("*.csv"), *(hostile / "hostile/out").glob("*.csv")]:
        cells = [cell for row in csv.reader(path.read_text().splitlines()) for cell in row]
        assert "'=HYPERLINK(1)" in cells
        assert not [cell for cell in cells if cell[:1] in "=+@\t\r" and cell]
        assert [cell for cell in cells if cell[:1] == "-"] or path.name != "agreement.csv"
        assert not [float(cell) for cell in cells if cell[:1] == "-" and not cell[1:2].isdigit()]
    study = read_case_study("toy", [0], hostile / "hostile")
    assert study.sites == list(shown_names(NAMES).values())
    assert set(study.maps.site) == set(study.sites)
    assert set(study.sites) | {"mean over sites", "all sites"} == set(study.agreement.scope)
    assert len(set(study.sites)) == len(NAMES)
    assert all(len(name) <= 46 and name.isprintable() for name in study.sites)


def test_what_was_written_is_known_again(hostile):
    out, folder = hostile / "hostile/out", hostile / "hostile/toy/0"
    for name, kind in REPORT.items():
        assert kinds.is_a(out / name, kind)
    for name, kind in WRITTEN.items():
        assert kinds.is_a(folder / name, kind)
    figures = list(out.glob("*.png"))
    assert len(figures) > 5
    assert all(kinds.is_a(figure.with_suffix(".pdf"), kinds.PDF) for figure in figures)
    assert not kinds.is_a(figures[0], kinds.PDF)
    assert all(kinds.is_a(figure, kinds.FIGURE) and not kinds.is_a(figure, kinds.PAGE) for figure in figures)


def test_what_is_printed_is_one_line_a_row(hostile, capsys):
    print_agreement(RunsOptions(["toy"], [0], hostile / "hostile"))
    assert "\x1b" not in capsys.readouterr().out
    table = markdown(pd.DataFrame({"a|b": ["x\ny|z<b>", 1.5]}))
    assert table.splitlines()[0].replace(" ", "") == r"|a\|b|"
    assert r"x\ny\|z\<b>" in table
    assert len(table.splitlines()) == 4


def test_cells_are_defused_and_numbers_are_not():
    texts = ["=1", "+1+1", "-1+cmd|' /C calc'!A0", "@x", "\tx", "\rx", "'=1", "''-x", "plain", "'plain", "-"]
    for text in texts:
        assert restored(defused(text)) == text
        assert defused(text)[:1] not in "=+-@\t\r"
    for number in ("-0.1234", "-1e-05", "-inf", "+3", -2.5, 7):
        assert defused(number) == number


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = pd.DataFrame({"scope": ["=1", "NA", "nan", "a\nb"], "=spearman": [-0.5, np.nan, 1.0, 2.0], "n": [1, 2, 3, 4]})
    (tmp_path / "a.csv").write_text(csv_text(table))
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), table, check_dtype=False)


def test_a_network_may_name_its_modules_so():
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("<img src=x>$frac{ 'a'", nn.Conv2d(1, 3, 1))
    model.add_module("=1", nn.ReLU())
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(12, 2))
    data = TensorDataset(torch.randn(20, 1, 2, 2), torch.zeros(20, dtype=torch.long))
    case = assemble(model.eval(), data, data, examples=5)
    assert [(site.name, site.maps) for site in case.sites] == [("<img src=x>$frac{ 'a'", 3)]
    for name in ('<img src="x">', "\\", "a\nb"):
        model.add_module(name, nn.Identity())
        with pytest.raises(
            BadInput, match=f"torch.fx writes names of modules into code, and {re.escape(repr(name))} has a quote"
        ):
            assemble(model.eval(), data, data, examples=5)
        delattr(model, name)


def test_a_report_among_files_of_others(hostile, tmp_path):
    """It refuses to replace one of its names that others hold, and leaves everything else there alone."""
    shutil.copytree(hostile / "plain/toy", tmp_path / "toy")
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("theirs")
    page(["toy"], [0], tmp_path, out)
    (out / "agreement.md").write_text("theirs")
    (out / "made-from.txt").unlink()
    with pytest.raises(BadInput, match=r"agreement.md is no table of agreement of this suite: move it away"):
        page(["toy"], [0], tmp_path, out)
    assert (out / "notes.txt").read_text() == (out / "agreement.md").read_text() == "theirs"


DAMAGED = {
    "a fact is missing": lambda facts, arrays: facts.pop("weights"),
    "another type": lambda facts, arrays: facts.update(examples="200"),
    "true is no number": lambda facts, arrays: facts.update(examples=True),
    "a list of nothing like it": lambda facts, arrays: facts.update(sites=[1, 2]),
    "a part is missing": lambda facts, arrays: facts["sites"][1].pop("maps"),
    "more than there can be": lambda facts, arrays: facts.update(examples=10**30),
    "other numbers of maps": lambda facts, arrays: facts["sites"][0].update(maps=10**12),
    "an array is missing": lambda facts, arrays: arrays.pop("change/first"),
    "an array of another shape": lambda facts, arrays: arrays.update({"change/first": np.zeros((2, 2, 2))}),
    "an array of no numbers": lambda facts, arrays: arrays.update({"change/first": np.zeros((200, 6), bool)}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_run_is_one_sentence(tmp_path, damage):
    folder = write_run(tmp_path)
    file = runs.load(folder / "oracle.safetensors", "oracle")
    DAMAGED[damage](file.facts, file.arrays)
    runs.save(file.path, "oracle", file.arrays, file.facts)
    with pytest.raises(BadInput, match=r"oracle.safetensors (is damaged|and .* are of different sites)"):
        read_run("toy", 0, tmp_path)


def test_a_damaged_file_of_criteria_is_one_sentence(tmp_path):
    folder = write_run(tmp_path)
    file = runs.load(folder / "criteria.safetensors", "criteria")
    for change in ({"reduce": "eval"}, {"reduce": None}, {}):
        facts = file.facts | {"criteria": file.facts["criteria"] | {"perfect": change}}
        runs.save(file.path, "criteria", file.arrays, facts)
        with pytest.raises(BadInput, match=r"criteria.safetensors is damaged"):
            read_run("toy", 0, tmp_path)
    assert SITES.keys() == {"first", "second"}
