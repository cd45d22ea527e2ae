"""oracle → bench ← criteria, pruning above them, reports beside them: no arrow upward, no circle, one import name."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import surroundings

from pruning_oracle.bench.runs.code_digest import STAGES, closure, read_source
from pruning_oracle.bench.runs.provenance import ROOT

ALLOWED = {
    "bench": {"bench"},
    "oracle": {"oracle", "bench"},
    "criteria": {"criteria", "bench"},
    "pruning": {"pruning", "criteria", "oracle", "bench"},  # its yardstick is the oracle, measured anew as maps go
    "reports": {"reports", "bench"},
    "pipeline": {"pipeline", "pruning", "bench"},  # the names of studies; the commands it calls by name
    "interface": {"interface", "bench", "oracle", "criteria", "pruning", "reports"},
    "command_line": {"command_line", "interface", "pipeline", "bench", "oracle", "criteria", "pruning", "reports"},
}
WITHOUT_TORCH = (
    "bench/runs",
    "bench/scores.py",
    "bench/errors.py",
    "bench/terminal.py",
)  # all of the workbench that reports may import
FILES = [
    file for folder in (*STAGES, "pipeline", "interface", "command_line") for file in sorted((ROOT / folder).rglob("*.py"))
]


def room(file):
    """A folder of a stage, such as bench/network or bench/data/reading; a file at a stage's top is a room of its own."""
    path = file.relative_to(ROOT)
    return path.as_posix() if len(path.parts) == 2 else path.parent.as_posix()


def arrows(within):
    """Which rooms, or files, import which, over all stages."""
    found = {}
    for file in FILES:
        for target in (target for target in read_source(file).imports if target.suffix == ".py"):
            if within(file) != within(target):
                found.setdefault(within(file), set()).add(within(target))
    return found


@pytest.mark.parametrize("stage", ALLOWED)
def test_no_arrow_runs_upward(stage):
    own = [file for file in FILES if file.relative_to(ROOT).parts[0] == stage and file.name != "__main__.py"]
    for file in own:  # a stage's __main__.py only calls the command line
        for target in read_source(file).imports:
            path = target.relative_to(ROOT)
            assert path.parts[0] in ALLOWED[stage], f"{file} imports {path}"
            if stage == "reports" and path.parts[0] == "bench":
                assert path.as_posix().startswith(WITHOUT_TORCH), f"{file} imports {path}"


@pytest.mark.parametrize("within", [room, lambda file: file], ids=["rooms", "files"])
def test_there_is_no_circle(within):
    order = list(graphlib.TopologicalSorter(arrows(within)).static_order())
    assert len(order) > 30


def test_a_circle_would_be_seen(tmp_path, monkeypatch):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/a.py").write_text("def f():\n    from pruning_oracle.bench import b\n")
    (tmp_path / "bench/b.py").write_text("from pruning_oracle.bench.a import f\n")
    monkeypatch.setattr("pruning_oracle.bench.runs.code_digest.ROOT", tmp_path)
    found = {file.stem: {target.stem for target in read_source(file).imports} for file in closure(["bench/a.py"])}
    assert found == {"a": {"b"}, "b": {"a"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(found).prepare()


def test_everything_is_imported_by_its_one_name():
    for file in [*FILES, *Path("tests").rglob("*.py"), *Path("examples").glob("*.py"), *(ROOT / "pipeline").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & {*STAGES, "pipeline"}, f"{file}, line {node.lineno}"


def test_every_folder_of_sources_is_a_package_that_is_installed():
    listed = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = sorted({file.parent.relative_to(ROOT) for file in FILES})
    assert listed == ["pruning_oracle", *(f"pruning_oracle.{folder.as_posix().replace('/', '.')}" for folder in folders)]


@pytest.mark.parametrize(
    ("imported", "unseen"),
    [
        ("pruning_oracle", ["pruning_oracle.bench", "numpy"]),
        ("pruning_oracle.reports.report", ["torch"]),
        ("pruning_oracle.command_line.app", ["torch", "numpy", "pandas"]),
        ("pruning_oracle.reports.pytest_plugin.plugin", ["pruning_oracle.bench", "pruning_oracle.reports.pytest_plugin.items"]),
        ("pruning_oracle.pipeline.__main__", ["torch", "scipy", "pandas"]),
        ("pruning_oracle.oracle.run", ["scipy.stats", "torchvision", "sklearn", "matplotlib"]),
        ("pruning_oracle.criteria.run", ["torchvision", "sklearn", "matplotlib"]),
    ],
)
def test_what_an_import_spares(imported, unseen):
    code = f"import sys, {imported}; sys.exit(', '.join(set({unseen}) & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, env=surroundings())
