"""What every measuring stage's command shares: its options, the case they name, and the facts its file carries."""

import argparse
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import chosen, cost, embedded, memory, runs
from bench.case import PRECISIONS, Case, load
from bench.data import Examples, unreadable
from bench.errors import BadInput, unknown


def case_options(stage: str, doc: str | None, precisions: Iterable[str] = PRECISIONS) -> argparse.ArgumentParser:
    """A parser with the options of every command that takes a case."""
    parser = argparse.ArgumentParser(prog=f"python -m {stage}", description=doc)
    parser.add_argument("case", help="a case's name, a .py file that holds an @case, torchvision:NAME or timm:NAME")
    parser.add_argument("--seed", type=int, default=0, help="which trained network, and which examples (default 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--precision", default="float32", help=f"{' or '.join(precisions)} (default float32)")
    parser.set_defaults(precisions=precisions)
    unreadable.option(parser)
    return parser


def options(stage: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every measuring stage takes."""
    parser = case_options(stage, doc)
    parser.add_argument("--examples", type=int, help="training examples (default: the case's own number)")
    parser.add_argument("--batch", type=int, help="examples per pass (default: what half of the memory holds, at most 128)")
    parser.add_argument("--memory", help="what activations may take, such as 4GiB (default 4GiB; on a GPU half of its memory)")
    parser.add_argument("--out", type=Path, help="the file to write (default: the run's own under runs/)")
    chosen.options(parser)
    return parser


def opened(given: argparse.Namespace, file: Callable[[Case], Path]) -> tuple[Case, Path, dict[str, Any]]:
    """The case that a command names, on its device in its precision, the file to write, and the facts of every file."""
    if not 0 <= given.seed < 2**32:
        raise BadInput(f"--seed is {given.seed}; allowed are 0 to {2**32 - 1}")
    if given.precision not in given.precisions:
        raise unknown("precision", given.precision, given.precisions)
    unreadable.obey(given)
    case = load(given.case, given.seed)
    out = file(case)
    runs.check_writable(out)
    weights = runs.digest(embedded.arrays(case.model))
    case = case.to(given.device, given.precision)
    memory.keep_heap()
    facts = {
        "case": case.name,
        "seed": case.seed,
        "weights": weights,
        "precision": case.precision,
        "device": describe(case.device),
        "threads": torch.get_num_threads(),
    }
    return case, out, facts


def prepare(stage: str, given: argparse.Namespace) -> tuple[Case, Path, dict[str, Any]]:
    """What `opened` gives for a measuring stage, with the sizes of batches, of the network and of its sites."""
    if given.batch is not None and given.batch < 1:
        raise BadInput(f"--batch is {given.batch}; at least 1 is needed")
    given.case = chosen.settled(given)
    given.memory = given.memory and memory.parse(given.memory)
    case, out, facts = opened(given, lambda case: given.out or runs.folder(case.name, case.seed) / f"{stage}.safetensors")
    given.memory = given.memory or memory.default(case.device)
    given.batch = given.batch or memory.batch_size(case, given.memory)
    whole, maps = cost.whole(case), cost.maps(case)
    facts |= {
        "why": case.why,
        "batch": given.batch,
        "memory": given.memory,
        "mflops": whole.flops / 1e6,
        "parameters": whole.parameters,
        "sites": [
            {"name": site.name, "maps": site.maps, "convolutions": site.convolutions}
            | {"mflops": maps[site.name].made / 1e6, "saved_mflops": maps[site.name].saved / 1e6}
            for site in case.sites
        ],
        "left_out": [{"convolution": out.convolution, "maps": out.maps, "reason": out.reason} for out in case.left_out],
    }
    return case, out, facts


def describe(device: torch.device) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else runs.processor()


def fingerprint(data: Examples, rows: Sequence[int]) -> str:
    """SHA-256 of the inputs and labels of those examples, whatever the batches and the precision: the checksum of the data."""
    sha = hashlib.sha256()
    for row in rows:
        for part in data[row]:
            array = np.asarray(part)
            sha.update(f"{array.dtype.str} {array.shape} ".encode())
            sha.update(array.tobytes())
    return sha.hexdigest()
