"""oracle → bench ← criteria, and reports → bench.runs only: stages meet in files, and a guess must not see the truth."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ALLOWED = {
    "bench": {"bench"},
    "oracle": {"oracle", "bench"},
    "criteria": {"criteria", "bench"},
    "pruning": {"pruning", "criteria", "oracle", "bench"},  # its yardstick is the oracle, measured anew as maps go
    "reports": {"reports", "bench"},
}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("stage", ALLOWED)
def test_arrows(stage):
    for file in set(Path(stage).rglob("*.py")) - set(Path("bench/timings").glob("*.py")):  # timings measure every stage
        for name in imported(file):
            top = name.split(".")[0]
            assert top not in ALLOWED or top in ALLOWED[stage], f"{file} imports {name}"
            if stage == "reports" and top == "bench":
                assert name.startswith(("bench.runs", "bench.errors", "bench.scale")), f"{file} imports {name}"
            assert not (stage == "reports" and top in {"torch", "torchvision"}), f"{file} imports {name}"


def test_reports_run_without_torch():
    code = "import sys, reports.__main__; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
