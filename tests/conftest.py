"""One thread per test process: two processes share two cores."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _repository(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
