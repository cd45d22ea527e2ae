"""What the stages' commands share: options, opening the case that they name, and facts for the file that they write."""

import argparse
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as tree

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.reading import unreadable
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.device import DEVICES, PRECISIONS, device_name
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading import by_name, choice
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.network import cost, memory
from pruning_oracle.bench.runs.bounds import BATCH, SEED
from pruning_oracle.bench.runs.code_digest import TRAINING
from pruning_oracle.bench.runs.kinds import Kind
from pruning_oracle.bench.runs.options import Parser, add_number
from pruning_oracle.bench.weights import state_dict

TESTED = 1000  # test examples in the fingerprint of the test data, whose change makes a measurement stale


@dataclass(frozen=True)
class OpenedCase:
    """A case ready to be measured, the file to write, and the setting: everything that the numbers in the file depend on."""

    case: Case
    out: Path
    setting: dict[str, Any]


def case_options(stage: str, doc: str | None, precisions: Iterable[str] = PRECISIONS) -> argparse.ArgumentParser:
    """An argument parser with the options that every command on a case takes; `doc` describes the command in its help."""
    parser = Parser(prog=f"python -m pruning_oracle.{stage}", description=doc)
    parser.add_argument("case", help="a case's name, a .py file that holds an @case, torchvision:NAME or timm:NAME")
    add_number(parser, "--seed", SEED, "which trained network, and which examples (default 0)", default=0)
    parser.add_argument("--device", default="auto", help=DEVICES)
    parser.add_argument("--precision", default="float32", help=f"{' or '.join(precisions)} (default float32)")
    parser.set_defaults(precisions=precisions)
    unreadable.add_strict_option(parser)
    return parser


def stage_options(stage: str, doc: str | None) -> argparse.ArgumentParser:
    """An argument parser with the options that every measuring stage takes."""
    parser = case_options(stage, doc)
    choice.add_options(parser)
    add_number(parser, "--batch", BATCH, "examples per pass (default: what half of the memory holds, at most 128)")
    takes = "what activations may take, such as 4GiB (default 4GiB; on a GPU half of its memory)"
    parser.add_argument("--memory", type=memory.parse, help=takes)
    parser.add_argument("--out", type=Path, help="the file to write (default: the run's own under runs/)")
    by_name.add_options(parser)
    return parser


def open_case(
    given: argparse.Namespace,
    stage: Iterable[Path | str],
    file: Callable[[Case], Path],
    kind: Kind,
    without: Iterable[str] = TRAINING,
    criteria: Iterable[Path | str] = (),
) -> OpenedCase:
    """Loads the case that a command names, on its device and in its precision, and notes the setting.

    `stage` are the files whose code computes the numbers, and `criteria` those of the criteria that do; what lies in
    `without` does not count as such code (see `bench/runs/code_digest.py`). `file` gives the path to write, and `kind` the kind
    of that file. BadInput if an option is wrong or such a file cannot be written there.
    """
    if given.precision not in given.precisions:
        raise unknown("precision", given.precision, given.precisions)
    unreadable.apply_strict_option(given)
    case = load(given.case, given.seed)
    out = file(case)
    runs.check_writable(out, kind)
    weights = runs.digest(state_dict.arrays(case.model))
    case = case.to(given.device, given.precision)
    _try(case)
    memory.keep_heap()
    setting = {
        "case": case.name,
        "seed": case.seed,
        "weights": weights,
        "test data": fingerprint(case.test, range(min(TESTED, len(case.test)))),
        "precision": case.precision,
        "device type": case.device.type,
        "device": device_name(case.device),
        "threads": torch.get_num_threads(),
    }
    return OpenedCase(case, out, setting | runs.measured_by(stage, find(given.case).file, without, criteria))


@torch.no_grad()
def _try(case: Case) -> None:
    """Raises BadInput if the network fails on two examples in the case's precision, as one that makes float32 numbers may."""
    try:
        case.model(next(case.batches(case.train, [0, 1], 2)).inputs)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{case.name}: the network fails in {case.precision} on {case.device.type}: {reason}") from error


def open_for_measuring(
    out: str, kind: Kind, given: argparse.Namespace, files: Iterable[Path | str], criteria: Iterable[Path | str] = ()
) -> OpenedCase:
    """Opens a case as `open_case` does, for a measuring stage, which has the options of `stage_options`.

    `out` names the file in the run's folder that is written by default. It fills in the batch size and the memory limit (in
    bytes) where they are not given, and adds both to the setting.
    """
    given.case = by_name.case_line(given)

    def out_of(case: Case) -> Path:
        return Path(given.out or runs.folder(case.name, case.seed) / out)

    opened = open_case(given, files, out_of, kind, criteria=criteria)
    given.memory = given.memory or memory.default_memory(opened.case.device)
    given.batch = given.batch or memory.batch_size(opened.case, given.memory)
    opened.setting.update({"batch": given.batch, "memory": given.memory})
    return opened


def network_facts(case: Case) -> dict[str, Any]:
    """The facts about a network in a measuring stage's file: what it and its maps cost, its sites, and the maps left out."""
    whole, maps = cost.whole(case), cost.maps(case)
    return {
        "why": case.why,
        "mflops": whole.flops / 1e6,
        "parameters": whole.parameters,
        "sites": [
            {"name": site.name, "maps": site.maps, "convolutions": site.convolutions}
            | {"mflops": maps[site.name].made / 1e6, "saved_mflops": maps[site.name].saved / 1e6}
            for site in case.sites
        ],
        "left_out": [{"convolution": out.convolution, "maps": out.maps, "reason": out.reason} for out in case.left_out],
    }


def fingerprint(data: Examples, rows: Sequence[int]) -> str:
    """SHA-256 of the inputs and labels of the examples at `rows`; the batch size and the precision do not change it."""
    sha = hashlib.sha256()
    for row in rows:
        for path, part in tree.tree_leaves_with_path(tuple(data[row])):
            array = np.asarray(part)
            place = tree.keystr(path[1:])  # within a label of several parts; else empty
            sha.update(f"{place}{array.dtype.str} {array.shape} ".encode())
            sha.update(array.tobytes())
    return sha.hexdigest()
