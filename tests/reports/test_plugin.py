"""The pytest plugin in somebody else's repository: first new, then accepted, held, shared by two processes, and failing."""

import contextlib
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from commands import surroundings

pytest_plugins = ["pytester"]

MINE = '''
from pruning_oracle.criteria.criterion import criterion, mean, mean_abs

@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source="mine")
def slope(site):
    """What the gate's gradient says."""
    return -site.gate_grad

@criterion(needs={"mean"}, reduce=mean, unit="activation", source="mine")
def response(site):
    """How strongly a map responds."""
    return site.mean
'''
# of an installed copy pytest loads the plugin itself
INSTALLED = any(point.name == "pruning-oracle" for point in entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "pruning_oracle.reports.pytest_plugin.plugin"]
SMALL = ["--pruning-oracle-cases", "resnet-digits", "--pruning-oracle-seeds", "0", "--pruning-oracle-examples", "24"]


@pytest.fixture
def elsewhere(pytester, monkeypatch):
    """Another repository, which has the suite installed, a file of criteria and a folder that is called as one of ours is."""
    monkeypatch.setenv("PYTHONPATH", surroundings()["PYTHONPATH"])
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    pytester.makepyfile(mine=MINE)
    pytester.mkpydir("oracle")
    return pytester


def session(pytester, *words):
    return pytester.runpytest_subprocess(*PLUGIN, *words, timeout=120)


def held(pytester, *words):
    return session(pytester, "--pruning-oracle-criteria", "mine.py", *SMALL, *words)


@pytest.mark.slow
def test_an_interrupted_session_ends_at_once_with_all_that_it_started(elsewhere):
    """By a signal to pytest alone, whose threads and commands do not get it."""
    words = [sys.executable, "-m", "pytest", *PLUGIN, "--pruning-oracle-criteria", "mine.py"]
    words += ["--pruning-oracle-cases", "vgg-digits", "--pruning-oracle-seeds", "0 1 2"]
    words += ["--pruning-oracle-examples", "500"]  # not its own: the oracle is measured
    with subprocess.Popen(words, cwd=elsewhere.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        while running.poll() is None and not list(elsewhere.path.glob(".pytest_cache/d/pruning-oracle/*/*/*/*.units/*/*")):
            time.sleep(0.1)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        out = running.communicate(timeout=60)[0]
    assert time.monotonic() - began < 30
    assert running.returncode == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in out
    assert "KeyboardInterrupt" in out
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            assert str(elsewhere.path).encode() not in process.read_bytes()


def test_from_the_first_measurement_to_a_regression(elsewhere):
    first = held(elsewhere)
    first.assert_outcomes(failed=2, passed=1)
    first.stdout.fnmatch_lines(
        [
            "mine.py FF.*",
            "new: slope on resnet-digits: agreement expected undefined, got *",
            "new: slope on resnet-digits: pair agreement expected undefined, got *",
            'to accept: pytest --pruning-oracle-criteria mine.py --pruning-oracle-cases resnet-digits *-accept "why"',
            "measured: the oracle of resnet-digits seed 0, since the one that ships is of other examples",
            "FAILED mine.py::response[[]resnet-digits[]]*",
        ]
    )
    oracles = list(elsewhere.path.glob(".pytest_cache/d/pruning-oracle/*/resnet-digits/0/oracle-24.safetensors"))
    assert len(oracles) == 1
    measured = oracles[0].stat().st_mtime_ns
    held(elsewhere, "--pruning-oracle-accept", "the first").assert_outcomes(passed=3)
    assert "slope,agreement," in (elsewhere.path / "mine.baselines" / "resnet-digits.csv").read_text()
    again = held(elsewhere, "-n2")
    again.assert_outcomes(passed=3)
    again.stdout.fnmatch_lines(["same: slope on resnet-digits: pair agreement expected *, difference ?0.000 *"])
    wrong = MINE.replace("return -site", "return site").replace("def response", "def activity")
    elsewhere.makepyfile(mine=wrong)
    failing = held(elsewhere)
    failing.assert_outcomes(failed=3)
    failing.stdout.fnmatch_lines(
        [
            "worse: slope on resnet-digits: pair agreement expected *, got *, difference −* (99.8 % interval)",
            "gone: response on resnet-digits: agreement expected *",
        ]
    )
    assert oracles[0].stat().st_mtime_ns == measured, "the oracle was measured once"


@pytest.mark.slow
def test_on_a_cases_own_examples_the_oracle_that_ships_is_used_and_none_is_measured(elsewhere):
    words = ["--pruning-oracle-criteria", "mine.py", "--pruning-oracle-cases", "resnet-digits", "--pruning-oracle-seeds", "1"]
    done = session(elsewhere, *words, "--pruning-oracle-accept", "the first")
    done.assert_outcomes(passed=3)
    done.stdout.no_fnmatch_line("measured: *")
    assert not list(elsewhere.path.rglob("oracle*.safetensors"))
    again = session(elsewhere, *words, "--pruning-oracle-examples", "512", "-n2")  # as many as its own: the very same
    again.assert_outcomes(passed=3)
    again.stdout.no_fnmatch_line("measured: *")
    assert not list(elsewhere.path.rglob("oracle*.safetensors"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pruning-oracle-accept", " "], "*--pruning-oracle-accept is empty: a new baseline needs a reason"),
        (["--pruning-oracle-seeds", "one"], "*--pruning-oracle-seeds is 'one'; allowed are whole numbers from 0 to 4294967295"),
        (["--pruning-oracle-seeds", "1 1"], "*--pruning-oracle-seeds names 1 twice; allowed is each once"),
        (["--pruning-oracle-examples", "0"], "*--pruning-oracle-examples is 0; allowed are whole numbers from 3 to 1000000000"),
        (["--pruning-oracle-criteria", "your.py"], "*--pruning-oracle-criteria is your.py: there is no such .py file"),
    ],
)
def test_a_mistake_in_the_options_is_one_line(elsewhere, words, message):
    done = held(elsewhere, *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([message])
    assert "Traceback" not in done.stderr.str()


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1", "*mine.py holds no function marked @criterion"), ("def broken(:", "*mine.py, line 1: SyntaxError: *")],
)
def test_a_file_without_criteria_is_an_error(elsewhere, text, message):
    elsewhere.makepyfile(mine=text)
    done = held(elsewhere)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([message])
    assert "Traceback" not in done.stdout.str()


def test_a_mistake_in_the_criteria_is_one_line(elsewhere):
    elsewhere.makepyfile(mine=MINE.replace("site.mean\n", "site.nothing\n"))
    done = held(elsewhere, "-k", "response")
    done.assert_outcomes(failed=1, deselected=2)
    done.stdout.fnmatch_lines(["pruning-oracle criteria resnet-digits: *mine.py*nothing*"])
    assert "Traceback" not in done.stdout.str()


def test_tests_are_listed_beside_others_without_measuring(elsewhere):
    elsewhere.makepyfile(test_other="def test_other(): pass")
    done = held(elsewhere, "--collect-only", "-q")
    done.stdout.fnmatch_lines(
        ["test_other.py::test_other", "mine.py::slope[[]resnet-digits[]]", "mine.py::baselines[[]resnet-digits[]]"]
    )
    assert not list(elsewhere.path.glob("mine.baselines"))
    session(elsewhere).assert_outcomes(passed=1)


def test_without_the_option_nothing_is_imported():
    code = (
        "import sys, pruning_oracle.reports.pytest_plugin.plugin;"
        " sys.exit(bool({'torch', 'numpy', 'pandas', 'pruning_oracle.bench'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
