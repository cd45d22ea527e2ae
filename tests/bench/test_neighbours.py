"""A user's file can import the files beside it; two users' files of one name do not meet; and reports take such a file too."""

import sys

import pytest
from commands import CASE, command

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load, registered
from pruning_oracle.bench.loading.user_file import import_file
from pruning_oracle.bench.registry import CASES
from pruning_oracle.bench.runs.code_digest import case_in


def user(folder, maps, name="mine", head="from helper import MAPS\n"):
    """A case file and its neighbour `helper.py`, which says how many maps its convolution makes."""
    folder.mkdir()
    (folder / "helper.py").write_text(f"MAPS = {maps}\n")
    text = CASE.format(label=1, mode=".eval()").replace("Conv2d(1, 3, 1)", "Conv2d(1, MAPS, 1)").replace("12, 2", "4 * MAPS, 2")
    (folder / f"{name}.py").write_text(head + text.replace("def mine", f"def {name}"))
    return folder / f"{name}.py"


@pytest.fixture(autouse=True)
def _forgotten():
    before, modules = dict(registered()), set(sys.modules)
    yield
    for name in set(CASES) - set(before):
        del CASES[name]
    for name in set(sys.modules) - modules:
        if not name.startswith("pruning_oracle"):  # those register what is imported once
            del sys.modules[name]


def test_two_files_whose_neighbours_have_one_name(tmp_path):
    first, second = user(tmp_path / "a", 3, "first"), user(tmp_path / "b", 5, "second")
    path = list(sys.path)
    for file, maps in ((first, 3), (second, 5), (first, 3)):
        assert load(str(file), 0).sites[0].maps == maps
        assert sys.path == path
    assert "helper" not in sys.modules, "whose would it be?"


def test_a_neighbour_named_like_a_module_that_is_there_is_the_neighbour(tmp_path):
    (tmp_path / "helper.py").write_text("MAPS = 7\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import helper  # noqa: PLC0415 (the module that is there)
    finally:
        sys.path.remove(str(tmp_path))
    assert load(str(user(tmp_path / "a", 3)), 0).sites[0].maps == 3
    assert sys.modules["helper"] is helper
    assert helper.MAPS == 7


def test_imports_inside_functions_and_of_packages_work_as_well(tmp_path):
    file = user(tmp_path / "a", 4, head="")
    (tmp_path / "a" / "parts").mkdir()
    (tmp_path / "a" / "parts" / "__init__.py").write_text("from helper import MAPS\n")
    (tmp_path / "a" / "parts" / "deep.py").write_text("from parts import MAPS\n")
    text = file.read_text().replace(
        "    torch.manual_seed(seed)", "    from parts.deep import MAPS\n    torch.manual_seed(seed)"
    )
    file.write_text(text)
    assert load(str(file), 0).sites[0].maps == 4


def test_a_file_of_any_name_hides_nothing(tmp_path):
    (tmp_path / "json.py").write_text("from __future__ import annotations\nfrom dataclasses import dataclass\nimport helper\n")
    (tmp_path / "json.py").write_text(
        (tmp_path / "json.py").read_text() + "@dataclass\nclass Point:\n    x: int\nONE = Point(helper.X).x\n"
    )
    (tmp_path / "helper.py").write_text("import json\nX = json.loads('1')\n")
    assert import_file(tmp_path / "json.py", "case").ONE == 1
    assert hasattr(sys.modules["json"], "loads")


def test_a_mistake_in_a_neighbour_is_named_at_the_import(tmp_path):
    file = user(tmp_path / "a", 3)
    (tmp_path / "a" / "helper.py").write_text("1 / 0\n")
    with pytest.raises(BadInput, match=r"mine\.py, line 1: ZeroDivisionError"):
        load(str(file), 0)


def test_reports_take_the_file_of_a_case(tmp_path):
    user(tmp_path / "a", 3)
    for words in (["oracle"], ["criteria", "--criteria", "taylor"]):
        assert command(words[0], "a/mine.py", *words[1:], folder=tmp_path).returncode == 0
    done = command("reports", "grade", "a/mine.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/mine/0/agreement.csv").is_file()
    done = command("reports", "grade", "a/helper.py", folder=tmp_path)
    assert done.returncode == 2
    assert "a/helper.py must hold exactly one function marked @case; it holds: none" in done.stderr
    done = command("reports", "grade", "torchvision:resnet18 --data npz:a.npz", folder=tmp_path)
    assert done.returncode == 2
    assert "reports take the name of a run, a folder under runs/, or a .py file that holds an @case" in done.stderr


def test_the_case_in_a_file_is_read_without_running_it(tmp_path):
    (tmp_path / "a.py").write_text("@registry.case(training=None)\ndef my_net(seed):\n    raise SystemExit\nraise SystemExit\n")
    assert case_in(tmp_path / "a.py") == "my-net"
    (tmp_path / "a.py").write_text("def broken(:")
    with pytest.raises(BadInput, match=r"a\.py is not a Python file \(SyntaxError\)"):
        case_in(tmp_path / "a.py")
