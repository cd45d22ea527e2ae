"""One thread per test process: two processes share two cores."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


LEFT_OUT = pytest.StashKey[int]()
BEFORE = pytest.StashKey[set[Path]]()
STAGES = ("bench", "command_line", "criteria", "interface", "oracle", "pipeline", "pruning", "reports")


def data_files(root):
    """The files among the suite's own that are no source: where a test must not leave any."""
    found = (path for stage in STAGES for path in (root / stage).rglob("*") if path.is_file())
    return {path for path in found if path.suffix not in {".py", ".pyc", ".html", ".md"}}


def pytest_sessionstart(session):
    """Remembers the suite's own files, in the process that ends last."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[BEFORE] = data_files(session.config.rootpath)


def pytest_sessionfinish(session):
    """Fails the session if a test left a file among the suite's own."""
    config = session.config
    if BEFORE in config.stash and (left := data_files(config.rootpath) - config.stash[BEFORE]):
        print(f"\nleft among the suite's own files: {', '.join(sorted(map(str, left)))}", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_deselected(items):
    """Counts the slow tests that are left out, in each process."""
    config = items[0].config if items else None
    if config:
        slow = sum(item.get_closest_marker("slow") is not None for item in items)
        config.stash[LEFT_OUT] = config.stash.get(LEFT_OUT, 0) + slow
        if hasattr(config, "workeroutput"):
            config.workeroutput["left out"] = config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Every process left out the same tests: the last one's count is the session's."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter, config):
    """Says how many slow tests were left out."""
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} slow tests left out: make test SLOW=1 runs them too")


@pytest.fixture(autouse=True)
def _repository(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


@pytest.fixture(autouse=True)
def _figures():
    """Figures that a test drew are closed behind it: they would add up, and more than twenty are a warning."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def data_here(tmp_path, monkeypatch):
    """The test's own folder is the place of all data, and what is remembered of them is forgotten."""
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.delenv("STRICT", raising=False)
    unreadable = importlib.import_module("pruning_oracle.bench.data.reading.unreadable")  # not before jaxtyping watches imports
    monkeypatch.setattr(unreadable, "MEMORY", tmp_path / "memory")
