"""The example repository of criteria: a copy does all that its README says, and the page about it shows what it holds."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from installed import built_wheel, installed_python, pytest_ways, run

from pruning_oracle.reports.regression.baseline import FOLDER, read_baseline

EXAMPLE = Path("examples/criteria-repository")
WORKFLOW = (EXAMPLE / ".github/workflows/criteria.yml").read_text("utf-8")
NUMBER = r"[+−-]?\d+\.\d+"


def blocks(page, *languages):
    """The code blocks of a page in these languages: language and text."""
    return re.findall(rf"^```({'|'.join(languages)})\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def printed(line, out):
    """Whether a line was printed, or the beginning of one, with numbers that are equal to two decimals."""
    numbers = [float(number.replace("−", "-")) for number in re.findall(NUMBER, line)]
    pattern = f"({NUMBER})".join(map(re.escape, re.split(NUMBER, line)))
    found = [[float(number.replace("−", "-")) for number in match.groups()] for match in re.finditer(pattern, out)]
    return any(all(abs(one - other) < 0.005 for one, other in zip(numbers, those, strict=True)) for those in found)


@pytest.fixture
def copied(tmp_path):
    """A copy of the example repository, and a function that runs a script there with the environment's `pip` and `pytest`."""
    pytest.importorskip("setuptools", reason="a wheel is built with setuptools")
    python = installed_python(built_wheel(tmp_path / "wheel"), tmp_path / "environment")
    folder = tmp_path / "criteria-repository"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".*cache*", "__pycache__", "*.egg-info"))
    pytest_ways(python)
    offline = "--quiet --no-index --no-deps --no-build-isolation"  # the environment has the packages already
    (python.parent / "pip").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{python}" "$@" {offline}\n')
    (python.parent / "pip").chmod(0o755)

    def script(text):
        done = run("bash", "-ec", text, folder=folder, PATH=f"{python.parent}:{os.environ['PATH']}")
        return done.returncode, done.stdout + done.stderr

    return folder, script


@pytest.mark.slow
def test_the_example_repository_does_all_that_its_readme_says(copied):
    folder, script = copied
    before = {path.name for path in folder.iterdir()}
    baselines = folder / "channel_criteria.baselines/vgg-digits.csv"
    accepted = baselines.read_text().splitlines()
    parts = blocks(folder / "README.md", "sh", "text")
    expected = [following if kind == "text" else "" for kind, following in parts[1:]] + [""]
    for (kind, text), says in zip(parts, expected, strict=True):
        if kind == "sh":
            status, out = script(text)
            assert status == (1 if " failed" in says else 0), out
            assert [line for line in says.splitlines() if not printed(line, out)] == [], out
    left = {path.name for path in folder.iterdir()} - before  # without what pip and other plugins leave
    assert not [name for name in left if not name.startswith((".", "__")) and not name.endswith(".egg-info")]
    rows = baselines.read_text().splitlines()
    assert set(accepted) <= set(rows)
    assert [row for row in rows if row not in accepted] == [row for row in rows if row.startswith("loudness,")]
    assert not list(folder.rglob("oracle*.safetensors")), "an oracle was measured, though all ship"


def test_the_page_about_ci_shows_the_example_repository():
    page, readme = Path("docs/how-to/criteria-in-ci.md"), EXAMPLE / "README.md"
    shown = [text for _, text in blocks(page, "yaml")]
    assert shown[1] == WORKFLOW
    assert shown[0] in WORKFLOW
    known = "".join(text for _, text in blocks(readme, "sh"))
    assert all(text in known for _, text in blocks(page, "sh"))
    assert blocks(page, "text")[0][1] in "".join(text for _, text in blocks(readme, "text"))


def test_the_workflow_runs_what_the_readme_says_and_keeps_the_folder_of_measured_oracles():
    steps = pytest.importorskip("yaml").safe_load(WORKFLOW)["jobs"]["criteria"]["steps"]
    known = "".join(text for _, text in blocks(EXAMPLE / "README.md", "sh"))
    ran = [step["run"] for step in steps if "run" in step]
    assert [line for line in ran if line.startswith("pytest") and line not in known] == []
    assert ran[-1].startswith("pytest --pruning-oracle-criteria")
    assert [step["with"]["path"] for step in steps if "actions/cache" in step.get("uses", "")] == [
        ".pytest_cache/d/pruning-oracle"
    ]


@pytest.mark.parametrize("case", ["vgg-digits", "resnet-digits", "r3dcnn-gestures"])
def test_the_examples_baselines_are_of_the_networks_and_examples_that_ship(case):
    held = read_baseline(case, EXAMPLE / "channel_criteria.baselines")
    assert held.origin == read_baseline(case, FOLDER).origin
    assert set(held.accepted) == {"first_order", "steepness"}
