"""The tests that are marked `gpu`, on the GPU of this machine; without one they are skipped."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """How many passed, failed and were skipped; raises SystemExit if any failed."""
    file = Path(__file__).with_name("test_on_gpu.py")
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "gpu",
        str(file),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print(done.stdout)
    yield {"summary": done.stdout.strip().splitlines()[-1], "status": done.returncode}
    if done.returncode:
        raise SystemExit(done.returncode)
