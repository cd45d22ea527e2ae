"""Installed from a wheel beside a repository that has folders of our stages' names, the suite harms nothing there."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from pruning_oracle.bench import runs

pytest.importorskip("setuptools", reason="a wheel is built with setuptools")
STAGES = ("bench", "criteria", "oracle", "pipeline", "pruning", "reports")
MINE = '''
from pruning_oracle.criteria.criterion import criterion, mean_abs

@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source="mine")
def slope(site):
    """What the gate's gradient says."""
    return -site.gate_grad
'''
WITH_US = ["--pruning-oracle-criteria", "mine.py", "--pruning-oracle-cases", "resnet-digits", "--pruning-oracle-seeds", "0"]


def run(*words, folder, **environment):
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    where = bare | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(words, cwd=folder, env=where, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    ours = out / "copy"  # building writes beside the sources
    for stage in STAGES:
        shutil.copytree(stage, ours / stage, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "py.typed", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(name, ours)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(ours)]
    done = run(sys.executable, "-m", "pip", *build, folder=out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The python of an environment of its own, into which the wheel alone is installed; the rest is taken from this one's."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), folder=folder)
    made = folder / "bin" / "python"
    done = run(sys.executable, "-m", "pip", "--python", str(made), "install", "--quiet", "--no-deps", str(wheel), folder=folder)
    assert done.returncode == 0, done.stderr
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")  # an editable copy's own .pth is not read from there
    where = run(str(made), "-c", "import pruning_oracle; print(pruning_oracle.__file__)", folder=folder).stdout
    assert where.startswith(str(site))
    return made


@pytest.fixture(params=[True, False], ids=["with __init__.py", "without"])
def repository(request, tmp_path):
    """Somebody's repository with folders named as our stages are."""
    for name in ("bench", "reports", "oracle", "tests"):
        (tmp_path / name).mkdir()
        if request.param:
            (tmp_path / name / "__init__.py").touch()
    for name in ("bench", "reports", "oracle"):
        (tmp_path / name / "own.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "tests/test_own.py").write_text(
        "import pytest\n\n\n"
        "@pytest.mark.parametrize('name', ['bench', 'reports', 'oracle'])\n"
        "def test_own(name):\n    assert __import__(f'{name}.own').own.NAME == name\n"
    )
    (tmp_path / "conftest.py").touch()
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_the_wheel_holds_one_name_and_what_it_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"pruning_oracle"}
    held = {name.removeprefix("pruning_oracle/") for name in names}
    tracked = {path.as_posix() for stage in STAGES for path in Path(stage).rglob("*.py")}
    assert {name for name in held if name.split("/")[0] in STAGES and name.endswith(".py")} == tracked
    assert {
        "__init__.py",
        "py.typed",
        "bench/data/digits.npz",
        "criteria/combination.json",
        "reports/page/page.html",
    } <= held
    for folder in ("bench/weights/", "reports/oracles/"):
        assert len([name for name in held if name.startswith(folder) and name.endswith(".safetensors")]) == 9
    assert not [name for name in held if name.startswith(("tests/", "examples/", "runs/", ".venv"))]


def pytest_ways(python):
    """`pytest`, which is a script, and `python -m pytest`."""
    script = python.parent / "pytest"
    script.write_text(f"#!{python}\nimport sys\nfrom pytest import console_main\nsys.exit(console_main())\n")
    script.chmod(0o755)
    return {"pytest": [str(script)], "python -m pytest": [str(python), "-m", "pytest"]}


@pytest.mark.parametrize("way", ["pytest", "python -m pytest"])
def test_what_passed_before_passes(python, repository, way):
    words = [*pytest_ways(python)[way], "-p", "no:cacheprovider", "-q"]
    before = run(*words, "-p", "no:pruning-oracle", folder=repository)
    assert "3 passed" in before.stdout, before.stdout + before.stderr
    done = run(*words, folder=repository)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "--pruning-oracle-criteria" in run(*words, "--help", folder=repository).stdout


@pytest.mark.slow
@pytest.mark.parametrize("way", ["pytest", "python -m pytest"])
def test_with_our_option_it_passes_too(python, repository, way):
    words = [*pytest_ways(python)[way], "-q", *WITH_US, "--pruning-oracle-examples", "12"]
    first = run(*words, "--pruning-oracle-accept", "the first", folder=repository)
    assert "5 passed" in first.stdout, first.stdout + first.stderr
    again = run(*words, folder=repository)
    assert "5 passed" in again.stdout, again.stdout + again.stderr
    assert {path.name for path in repository.iterdir()} >= {"mine.baselines"}


def test_an_installed_copy_writes_nothing_into_itself_and_knows_its_release(python, tmp_path):
    site = next(python.parents[1].glob("lib/python*/site-packages")) / "pruning_oracle"
    before = sorted(path for path in site.rglob("*") if path.suffix not in {".pyc", ""})
    words = ["vgg-digits", "--examples", "4", "--batch", "4", "--device", "cpu"]
    oracle = run(str(python), "-m", "pruning_oracle.oracle", *words, folder=tmp_path)
    assert oracle.returncode == 0, oracle.stderr
    facts = runs.load(tmp_path / "runs/vgg-digits/0/oracle.safetensors", "oracle").facts
    assert (facts["suite"], facts["commit"], set(facts["sources"])) == ("0.1.0", "unknown", {"stage", "case", "criteria"})
    refused = run(str(python), "-m", "pruning_oracle.reports", "accept", "vgg-digits", "--reason", "why", folder=tmp_path)
    assert "give the folder to write baselines to: --baselines FOLDER" in refused.stderr
    where = "from pruning_oracle.bench.weights import shipped; print(shipped.path_to_write('vgg-digits', 7))"
    assert run(str(python), "-c", where, folder=tmp_path).stdout == "trained/vgg-digits-7.safetensors\n"
    assert sorted(path for path in site.rglob("*") if path.suffix not in {".pyc", ""}) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
