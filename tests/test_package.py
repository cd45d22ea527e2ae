"""Installed from a wheel beside a repository that has folders of our stages' names, the suite harms nothing there."""

import zipfile
from pathlib import Path

import pytest
from installed import STAGES, built_wheel, installed_python, pytest_ways, run

from pruning_oracle.bench import runs

pytest.importorskip("setuptools", reason="a wheel is built with setuptools")
MINE = '''
from pruning_oracle.criteria.criterion import criterion, mean_abs

@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source="mine")
def slope(site):
    """What the gate's gradient says."""
    return -site.gate_grad
'''
WITH_US = ["--pruning-oracle-criteria", "mine.py", "--pruning-oracle-cases", "resnet-digits", "--pruning-oracle-seeds", "0"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    return installed_python(wheel, tmp_path_factory.mktemp("environment"))


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
        "CITATION.cff",
        "bench/data/digits.npz",
        "criteria/combination.json",
        "reports/page/page.html",
        "reports/page/style.css",
        "reports/page/script/20-page.js",
    } <= held
    for folder in ("bench/weights/", "reports/oracles/"):
        assert len([name for name in held if name.startswith(folder) and name.endswith(".safetensors")]) == 9
    assert not [name for name in held if name.startswith(("tests/", "examples/", "runs/", ".venv"))]


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
