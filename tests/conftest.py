"""One thread per test process: two processes share two cores."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _repository(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


@pytest.fixture
def data_here(tmp_path, monkeypatch):
    """The test's own folder is the place of all data, and what is remembered of them is forgotten."""
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.delenv("STRICT", raising=False)
    unreadable = importlib.import_module("pruning_oracle.bench.data.reading.unreadable")  # not before jaxtyping watches imports
    monkeypatch.setattr(unreadable, "MEMORY", tmp_path / "memory")
