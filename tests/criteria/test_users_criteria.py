"""Criteria in a user's own file: found, checked, and their mistakes told in one line."""

from pathlib import Path

import pytest
import torch
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.criteria.criterion import CRITERIA, choose_criteria, discover
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.run import fitting

HEAD = "import torch\nfrom pruning_oracle.criteria.criterion import criterion, mean\n\n\n"
MARK = '@criterion(needs={"mean"}, reduce=mean, unit="u", source="mine")\n'


@pytest.fixture
def mine(tmp_path):
    """Writes a file of one criterion with this body; what it registers is forgotten afterwards."""
    known = dict(discover())

    def write(body, name="mine"):
        path = tmp_path / f"{name}.py"
        path.write_text(f'{HEAD}{MARK}def {name}(site):\n    """Mine."""\n    {body}\n')
        return str(path)

    yield write
    CRITERIA.clear()
    CRITERIA.update(known)


def seen(needs=frozenset({"mean"})):
    return collect(toy_case("plain"), range(4), 4, needs, "test")["features.0"]


def test_a_file_adds_its_criteria_to_all(mine):
    path = mine("return site.mean * 2")
    assert [found.name for found in choose_criteria([path])] == ["mine"]
    every = [found.name for found in choose_criteria(["all", path])]
    assert every[-1] == "mine"
    assert set(every[:-1]) == set(CRITERIA) - {"mine"}
    assert [found.name for found in choose_criteria(["taylor", path])] == ["taylor", "mine"]
    assert torch.equal(choose_criteria([path])[0](seen()), seen().mean * 2)


def test_the_quick_ones_are_this_suites_own_and_not_dear():
    quick = {found.name for found in choose_criteria(["quick"])}
    assert {"taylor", "taylor_second", "weight_l2", "mean_rank", "random", "norm_gamma"} <= quick
    assert not quick & {
        "brain_damage",
        "path",
        "conductance",
        "relevance",
        "activation_rank",
        "torch_pruning_taylor",
        "nni_taylor",
    }


def test_the_example_of_the_documentation_is_a_criterion_and_stands_there_whole(mine):
    assert Path("examples/my_criteria.py").read_text() in Path("docs/how-to/regress.md").read_text()
    (slope,) = choose_criteria(["examples/my_criteria.py"])
    assert slope(seen(slope.needs)).shape == (4, 5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return site.mean[:2]",
            r"mine.py: criterion 'mine' at site 'features.0' gave \(2, 5\); allowed is \(4, 5\) or \(1, 5\)",
        ),
        ("return 3", r"criterion 'mine' at site 'features.0' gave int; allowed is \(4, 5\)"),
        ("return site.mean.log() * torch.nan", r"gave torch.float64 with 20 numbers that are not finite"),
        ("return (site.mean > 0).long()", r"gave torch.int64"),
        ("return site.gate_grad", r"mine.py, line 8: AttributeError: no evidence 'gate_grad' was gathered"),
        ("return 1 / 0", r"mine.py, line 8: ZeroDivisionError: division by zero"),
    ],
)
def test_mistakes_are_one_line(mine, body, message):
    (found,) = choose_criteria([mine(body)])
    with pytest.raises(BadInput, match=message):
        found(seen())


def test_files_that_hold_no_criterion(mine, tmp_path):
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(BadInput, match=r"none.py must hold a function marked @criterion; it holds none"):
        choose_criteria([str(tmp_path / "none.py")])
    with pytest.raises(BadInput, match=r"no such criteria file: nowhere.py"):
        choose_criteria(["nowhere.py"])
    (tmp_path / "broken.py").write_text("def f(:\n")
    with pytest.raises(BadInput, match=r"broken.py: SyntaxError"):
        choose_criteria([str(tmp_path / "broken.py")])
    with pytest.raises(BadInput, match=r"criterion 'taylor' already exists in pruning_oracle.criteria.taylor"):
        choose_criteria([mine("return site.mean", "taylor")])
    with pytest.raises(BadInput, match="criterion 'all' already exists in the command line"):
        choose_criteria([mine("return site.mean", "all")])


def test_what_cannot_be_had_is_left_out_or_refused_by_name(capsys):
    case = toy_case("plain")
    chosen = choose_criteria(["taylor", "norm_gamma"])
    found, missing = fitting(case, chosen, [])
    assert [one.name for one in found] == ["taylor"]
    assert missing == {"norm_gamma": "norm_scale: no batch norm follows features.4"}
    with pytest.raises(BadInput, match="criterion 'norm_gamma' is unavailable here, since it needs norm_scale: no batch norm"):
        fitting(case, chosen, ["norm_gamma"])
