"""The Makefile: targets, variables that are checked and reach the commands as they are, and what set-up says it lacks."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# as in a shell of its own: `make test` hands its settings down to every make below it
INSIDE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "SLOW", "PYTHON", "PYTHONPATH", "DATA"}
OUTSIDE = {name: value for name, value in os.environ.items() if name not in INSIDE}
TARGETS = [
    *("help", "oracle", "compare", "report", "regress", "regress-accept", "sets", "prune", "prune-more", "prune-timings"),
    *("train", "test", "timings", "gpu", "docs", "lint", "check", "clean"),
]


def make(*words, folder=".", **environment):
    call = ["make", *words]
    return subprocess.run(call, cwd=folder, env=OUTSIDE | environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path):
    """A folder with the Makefile and a python that writes down what it is asked, an argument a line."""
    shutil.copy("Makefile", tmp_path)
    (tmp_path / "stand-in").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > asked\n')
    (tmp_path / "stand-in").chmod(0o755)
    return tmp_path


def asked(tree, *words):
    """The module and the options that make asked python for; what was not given is left out."""
    done = make("PYTHON=./stand-in", *words, folder=tree)
    assert done.returncode == 0, done.stderr
    _, module, target, *options = (tree / "asked").read_text().splitlines()
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    return module, target, {name.removeprefix("--"): value for name, value in pairs.items() if value}


def test_every_target_is_listed_and_exists():
    shown = make()
    listed = [line.split()[0] for line in shown.stdout.splitlines()[2:]]
    assert listed == TARGETS
    assert all(len(line.split()) > 3 for line in shown.stdout.splitlines()[2:])
    assert shown.stdout == make("help").stdout


def test_it_is_short_and_holds_no_cases_numbers():
    lines = Path("Makefile").read_text().splitlines()
    assert len(lines) <= 80
    assert not [line for line in lines if "--rate" in line or "--remove" in line]


@pytest.mark.parametrize("target", ["oracle", "compare", "regress", "prune-more", "train"])
def test_a_target_is_the_pipelines(tree, target):
    usual = {"cases": "vgg-digits resnet-digits r3dcnn-gestures", "seeds": "0 1 2", "device": "auto"}
    assert asked(tree, target) == ("pruning_oracle.pipeline", target, usual)


@pytest.mark.parametrize("value", ["imagefolder:my photos/of $HOME", 'it\'s "so"', "`touch x`; $(touch x) & * ?", "a\\b", "#"])
def test_values_reach_the_pipeline_as_they_are(tree, value):
    given = value.replace("$", "$$")  # make's own escape, as its users know it
    found = asked(tree, "compare", f"DATASET={given}", f"REASON={given}", "SIZE=64", "SMALL=1")[2]
    assert (found["dataset"], found["reason"], found["size"], found["small"]) == (value, value, "64", "1")
    assert sorted(path.name for path in tree.iterdir()) == [".link", "Makefile", "asked", "stand-in"]


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("CASE", "CASES"), ("SEED", "SEEDS"), ("DATASETS", "DATASET"), ("BUGDET", "BUDGET")]
)
@pytest.mark.parametrize("target", ["oracle", "test", "help"])
def test_a_mistyped_variable_is_an_error_that_names_the_nearest(tree, wrong, nearest, target):
    done = make(target, "PYTHON=./stand-in", f"{wrong}=vgg-digits", folder=tree)
    assert done.returncode == 2
    assert f"unknown variable {wrong}: the nearest is {nearest}" in done.stderr
    assert not (tree / "asked").exists()


OLD = "import sys; sys.version_info = (3, 9, 2); sys.version = '3.9.2'; exec(sys.argv.pop(1))"
BARE = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv.pop(1))"


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (OLD, "Python 3.11 or later is needed; python3 is 3.9.2"),
        (BARE, "python3 lacks venv: on Debian run apt-get install python3-venv"),
    ],
)
def test_what_set_up_lacks_is_one_line(tree, python, message):
    tools = tree / "tools"
    tools.mkdir()
    (tools / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(python)} "$2"\n')
    (tools / "python3").chmod(0o755)
    for name in ("requirements.txt", "pyproject.toml"):
        (tree / name).touch()
    done = make("compare", folder=tree, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert said == [message]
    assert not (tree / ".venv").exists()


def test_no_file_names_a_package_host():
    pins = Path("requirements.txt").read_text()
    assert "://" not in pins  # some packages are named after the protocol
    assert "--index" not in pins
    assert all("==" in line or line.startswith("#") for line in pins.splitlines() if line)
