"""The Makefile's targets are files: nothing is made twice, and what is missing brings back just what depends on it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

# as in a shell of its own: `make test` hands its settings down to every make below it
OUTSIDE = {
    name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}
}
FILES = ["oracle.safetensors", "criteria.safetensors", "agreement.csv", "maps.csv", "maps-fresh.csv"]
OUT = ["index.html", "agreement.csv", "agreement.md", "agreement.tex"]
# stands in for python: writes down what it was asked for, and makes the files that the real command makes
STAND_IN = """#!/bin/sh
[ "$2" = bench.commit ] && exec echo abc
echo "$2 $3 $4" >> log
case "$2 $3" in
  "oracle "*|"criteria "*) for word in "$@"; do :; done; mkdir -p "$(dirname "$word")"; touch "$word" ;;
  "bench train") case "$4" in *:*) ;; *) touch "bench/weights/$4-$6.safetensors" ;; esac ;;
  "reports grade") cd "runs/$4/$6" && touch agreement.csv maps.csv maps-fresh.csv tables.json ;;
  "reports page") cd reports/out && touch index.html agreement.csv agreement.md agreement.tex ;;
esac
"""


@pytest.fixture(scope="module")
def made_tree(tmp_path_factory):
    """A copy of the sources in which everything has been made once."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("bench", "oracle", "criteria", "reports"):
        shutil.copytree(name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
    shutil.copy("Makefile", tree)
    (tree / "stand-in").write_text(STAND_IN)
    (tree / "stand-in").chmod(0o755)
    time.sleep(0.01)
    assert sorted(make(tree, "compare")) == sorted(["oracle vgg-digits", "criteria vgg-digits", *GRADE, *PAGE, SHOW])
    return tree


@pytest.fixture
def tree(made_tree, tmp_path):
    """The same, for one test alone."""
    return shutil.copytree(made_tree, tmp_path / "tree")


def make(tree, *words):
    """What make asked python for: stage, then case or command."""
    (tree / "log").unlink(missing_ok=True)
    call = ["make", "PYTHON=./stand-in", "CASES=vgg-digits", "SEEDS=0", "DEVICE=cpu", "JOBS=1", *words]
    done = subprocess.run(call, cwd=tree, env=OUTSIDE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tree / "log").read_text().splitlines() if (tree / "log").exists() else []
    return [line.removesuffix(" --seed") for line in lines]


GRADE, PAGE = ["reports grade vgg-digits"], ["reports page vgg-digits"]
SHOW = "reports show vgg-digits"


def test_a_second_compare_only_shows(tree):
    assert make(tree, "compare") == [SHOW]


@pytest.mark.parametrize(
    ("missing", "made"),
    [
        ("runs/vgg-digits/0/oracle.safetensors", ["oracle vgg-digits", *GRADE, *PAGE]),
        (
            "runs/vgg-digits/0/criteria.safetensors",
            ["criteria vgg-digits", *GRADE, *PAGE],
        ),
        ("runs/vgg-digits/0/maps-fresh.csv", [*GRADE, *PAGE]),
        ("reports/out/agreement.tex", PAGE),
    ],
)
def test_a_missing_file_brings_back_what_depends_on_it(tree, missing, made):
    (tree / missing).unlink()
    assert make(tree, "compare") == [*made, SHOW]


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        ("oracle/literal.py", ["oracle vgg-digits", *GRADE, *PAGE]),
        ("criteria/taylor.py", ["criteria vgg-digits", *GRADE, *PAGE]),
        ("reports/sections/scatter.py", PAGE),
        (
            "bench/weights/vgg-digits-0.safetensors",
            ["oracle vgg-digits", "criteria vgg-digits", *GRADE, *PAGE],
        ),
        ("bench/weights/resnet-digits-0.safetensors", []),
    ],
)
def test_a_changed_file_makes_what_reads_it(tree, changed, made):
    (tree / changed).touch()
    assert sorted(make(tree, "compare")) == sorted([*made, SHOW])


def test_a_changed_setting_makes_what_it_changes(tree):
    assert make(tree, "compare", "SEEDS=0 1") == ["oracle vgg-digits", "criteria vgg-digits", *GRADE, *PAGE, SHOW]
    assert make(tree, "compare", "SEEDS=0 1") == [SHOW]
    assert make(tree, "compare") == [*PAGE, SHOW]
    assert make(tree, "compare", "DEVICE=auto") == ["oracle vgg-digits", "criteria vgg-digits", *GRADE, *PAGE, SHOW]


def test_a_users_criteria_are_scored_and_scored_again_when_they_change(tree):
    (tree / "mine.py").write_text("")
    assert make(tree, "compare", "CRITERIA=mine.py") == ["criteria vgg-digits", *GRADE, *PAGE, SHOW]
    assert make(tree, "compare", "CRITERIA=mine.py") == [SHOW]
    time.sleep(0.01)
    (tree / "mine.py").write_text("x = 1")
    assert make(tree, "compare", "CRITERIA=mine.py") == ["criteria vgg-digits", *GRADE, *PAGE, SHOW]
    assert make(tree, "compare") == ["criteria vgg-digits", *GRADE, *PAGE, SHOW]


def test_a_network_of_a_library_takes_the_place_of_a_case(tree):
    (tree / "mine.pt").write_text("")
    words = ["NETWORK=torchvision:resnet18", "WEIGHTS=mine.pt", "DATASET=imagefolder:some/photos/", "SIZE=64"]
    line = "torchvision:resnet18 --data imagefolder:some/photos/ --name resnet18-photos --weights mine.pt --size 64"
    name = "resnet18-photos"
    made = [f"oracle {line}", f"criteria {line}", f"reports grade {name}", f"reports page {name}", f"reports show {name}"]
    assert make(tree, "compare", *words) == made
    assert make(tree, "compare", *words) == made[-1:]
    time.sleep(0.01)
    (tree / "mine.pt").write_text("other")
    assert make(tree, "compare", *words) == made
    assert make(tree, "train", *words) == [f"bench train {line}"]
    call = ["make", "PYTHON=./stand-in", "oracle", "NETWORK=torchvision:resnet18"]
    done = subprocess.run(call, cwd=tree, env=OUTSIDE, capture_output=True, text=True, check=False)
    assert "NETWORK needs examples: DATASET=imagefolder:PATH" in done.stderr


def test_a_file_is_no_name_of_a_case(tree):
    call = ["make", "PYTHON=./stand-in", "oracle", "CASES=examples/my_case.py"]
    done = subprocess.run(call, cwd=tree, env=OUTSIDE, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'CASES takes names, not "examples/my_case.py"' in done.stderr


def test_another_commit_measures_anew(tree):
    script = (tree / "stand-in").read_text()
    (tree / "stand-in").write_text(script.replace("echo abc", "echo def"))
    assert make(tree, "compare") == ["oracle vgg-digits", "criteria vgg-digits", *GRADE, *PAGE, SHOW]


def test_weights_that_are_missing_are_trained(tree):
    (tree / "bench/weights/vgg-digits-0.safetensors").unlink()
    (tree / "runs/vgg-digits/0/oracle.safetensors").unlink()
    assert make(tree, "oracle") == ["bench train vgg-digits", "oracle vgg-digits"]
    assert make(tree, "train") == ["bench train vgg-digits"]


def test_help_lists_every_target_and_every_target_exists():
    shown = subprocess.run(["make"], env=OUTSIDE, capture_output=True, text=True, check=True).stdout
    listed = [line.split()[0] for line in shown.splitlines()[2:]]
    first = [
        "help",
        "oracle",
        "compare",
        "report",
        "regress",
        "regress-accept",
        "prune",
        "prune-more",
        "prune-timings",
        "train",
        "test",
        "timings",
        "lint",
    ]
    assert listed == [*first, "check", "clean"]
    assert all(len(line.split()) > 3 for line in shown.splitlines()[2:])
    assert shown == subprocess.run(["make", "help"], env=OUTSIDE, capture_output=True, text=True, check=True).stdout


def test_no_file_names_a_package_host():
    pins = Path("requirements.txt").read_text()
    assert "://" not in pins  # some packages are named after the protocol
    assert "--index" not in pins
    assert all("==" in line or line.startswith("#") for line in pins.splitlines() if line)
