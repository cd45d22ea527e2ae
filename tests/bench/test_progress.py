"""Progress: a bar on a terminal, now and then a plain line elsewhere, and nothing for what is short."""

import sys
import types

import pytest

from pruning_oracle.bench import progress


@pytest.mark.parametrize("lines", [True, False])
def test_off_a_terminal_there_are_lines_for_long_work_alone(monkeypatch, capsys, lines):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if lines:
        monkeypatch.setattr(progress, "EVERY", 0.0)
    for _ in progress.bar(range(3), desc="pruning", leave=False):
        pass
    said = capsys.readouterr().err
    assert "\r" not in said
    assert ("pruning: 67% done after 00:00, about 00:00 left\n" in said) == lines
    assert bool(said) == lines


def test_on_a_terminal_there_is_a_bar(monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for _ in progress.bar(range(3), desc="pruning"):
        pass
    assert "100%|" in capsys.readouterr().err


def test_a_notebook_is_known_by_its_shell(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not progress.in_notebook()
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert progress.in_notebook()
