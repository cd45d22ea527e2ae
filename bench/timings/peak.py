"""The most memory that a way to measure an oracle holds, measured in a process of its own."""

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

import torch

from bench.timings.networks import SETUPS, thin


def peak(name: str, way: str) -> int:
    """Bytes beyond what the process held before, measuring one network's sample in one way."""
    words = [sys.executable, "-W", "ignore", "-m", "bench.timings.peak", name, way]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def _held() -> int:
    """The most bytes since `_forget`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _forget() -> None:
    """Begins a new count of the most bytes held, from what is in use now (proc(5): clear_refs)."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Prints it."""
    from bench.timings.ways import WAYS  # noqa: PLC0415 (captum's own imports are not what is measured)

    setup, way = SETUPS[sys.argv[1]], sys.argv[2]
    case = thin(setup.case(), setup.maps if way == "replay" else 1).to("auto", "float32")  # one pass is all passes to literal
    batch = next(case.batches(case.train, range(setup.examples), setup.examples))
    _forget()
    before = _held()
    WAYS[way](case, batch).call()
    print(_held() - before)


if __name__ == "__main__":
    main()
