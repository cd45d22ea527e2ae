"""The memory of activations: how much they take, how much they may take, and how it is kept for reuse."""

import ctypes
import gc
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import total_memory
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.hooks import watch_one_example
from pruning_oracle.bench.runs.bounds import Bounds

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
DEFAULT = 4 * 2**30
LEAST, MOST = 2**10, 2**50  # bytes that --memory may name
BESIDES = 8 * 2**20  # bytes that libraries take for themselves, and that the heap loses between arrays


def parse(text: str) -> int:
    """Bytes of a size such as `4GiB` or `512MiB`; BadInput for any other text."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?) ?([KMG]iB)", text, re.ASCII)
    held = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if not LEAST <= held <= MOST:
        raise BadInput(f"--memory is {text!a}; allowed is a number with KiB, MiB or GiB, such as 4GiB: 1KiB to 1048576GiB")
    return held


def bytes_of(memory: int | str | None) -> int | None:
    """Bytes of a size given as such, or as a text (see `parse`); None stays None."""
    if memory is None or isinstance(memory, str):
        return None if memory is None else parse(memory)
    return int(Bounds(LEAST, MOST).check("--memory", memory))


def default_memory(device: torch.device) -> int:
    """Bytes that activations may take by default: half of a GPU's memory; 4 GiB on a CPU and on a GPU that does not say."""
    total = total_memory(device)
    return total // 2 if total else DEFAULT


def activations(case: Case) -> int:
    """Bytes that the outputs of all layers take for one example: twice as many where maps of another stand in for its own."""
    held = 0

    def count(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        nonlocal held
        held += output.nbytes if isinstance(output, torch.Tensor) else 0

    watch_one_example(case, [module for module in case.model.modules() if not list(module.children())], count)
    return 2 * held if case.fill and case.fill.samples else held


def widest(case: Case) -> int:
    """Bytes of the largest output of a layer for one example."""
    most = 0

    def look(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        nonlocal most
        most = max(most, output.nbytes if isinstance(output, torch.Tensor) else 0)

    watch_one_example(case, [module for module in case.model.modules() if not list(module.children())], look)
    return most


def batch_size(case: Case, memory: int) -> int:
    """How many examples (1 to 128) have activations that fit into half of `memory` bytes.

    The other half is for what is computed from them.
    """
    return max(1, min(128, memory // 2 // max(1, activations(case))))


def check_least(held: int, asked: bool, least: int, what: str) -> None:
    """Raises BadInput if `what` takes at `least` more than the `held` bytes that were `asked` for; if none were, says so."""
    if least > held:
        said = f"{what} takes at least {math.ceil(least / 2**20)}MiB"
        if asked:
            raise BadInput(f"--memory is {held / 2**20:g}MiB; {said}")
        print(f"{said}, more than the usual {held / 2**20:g}MiB", flush=True)


@contextmanager
def memory_error_as_bad_input(case: Case, examples: int) -> Iterator[None]:
    """Turns a GPU's lack of memory inside the block into a BadInput that advises a smaller batch."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BadInput(f"{case.name}: no memory for a batch of {examples} examples: take a smaller --batch") from error


def peak(device: torch.device) -> int:
    """The most bytes that this process has held since `forget_peak`: on the GPU if `device` is one, else in main memory."""
    if device.type != "cpu":
        return torch.accelerator.max_memory_allocated(device)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak(device: torch.device) -> None:
    """Starts the count of `peak` anew from what is held now (proc(5), clear_refs)."""
    gc.collect()
    if device.type != "cpu":
        torch.accelerator.reset_peak_memory_stats(device)
    else:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def keep_heap() -> None:
    """Tells glibc to keep freed memory for the next tensor: getting new pages takes as long as a small convolution.

    Otherwise large blocks come from the system each time, zeroed page by page (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(-4, 0)
            mallopt(-1, 2**31 - 1)
