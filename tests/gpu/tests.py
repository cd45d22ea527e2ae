"""The tests that are marked `gpu`, on the device that is measured; on a CPU they are skipped."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

OPTIONS = ["-q", "-o", "addopts=", "-o", "filterwarnings=ignore", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "gpu"]


class Outcomes:
    """Counts what became of the tests."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Every test once: at its call, or where it was skipped or failed before."""
        if report.when == "call" or not report.passed:
            self.counts[report.outcome] += 1


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """How many passed, failed and were skipped, all of them whatever the size; raises SystemExit if any failed."""
    os.environ["GPU"] = str(device)
    if device.type == "standin":
        os.environ["STANDIN"] = "1"
    outcomes = Outcomes()
    status = pytest.main([*OPTIONS, str(Path(__file__).with_name("test_on_gpu.py"))], [outcomes])
    yield {"status": int(status), **outcomes.counts}
    if status:
        raise SystemExit(int(status))
