"""Starts the tests in `standin/`, a process per file: on a device of its own everything gives the CPU's numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = [*sorted((HERE / "standin").glob("test_*.py")), HERE / "gpu/test_on_gpu.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_on_the_standin(file):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=", str(file)]
    done = subprocess.run(command, env=os.environ | {"STANDIN": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
