"""The setting of a measurement: a case on its device, the file to write, and everything that the numbers in it depend on."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as tree

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.device import PRECISIONS, device_name
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.network import cost, memory
from pruning_oracle.bench.runs.bounds import BATCH
from pruning_oracle.bench.runs.code_digest import TRAINING, depends_on, of_function
from pruning_oracle.bench.runs.kinds import Kind
from pruning_oracle.bench.weights import state_dict

TESTED = 1000  # test examples in the fingerprint of the test data, whose change makes a measurement stale


@dataclass(frozen=True)
class Resources:
    """Where a case is measured and how: device and precision by name, examples per pass, and bytes that activations may take.

    What is None follows from the case and the device.
    """

    device: str = "auto"
    precision: str = "float32"
    batch: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if self.batch is not None:
            BATCH.check("--batch", self.batch)


@dataclass(frozen=True)
class OpenedCase:
    """A case ready to be measured, the file to write, and the setting: everything that the numbers in the file depend on."""

    case: Case
    out: Path
    setting: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """What a stage made or found made: its run file, the facts in it, and whether it was up to date before."""

    out: Path
    facts: dict[str, Any]
    current: bool


def finished_before(out: Path, kind: str, setting: dict[str, Any]) -> Finished | None:
    """The file `out` as it is, if it is what a measurement of that setting would make; else None."""
    return Finished(out, runs.load(out, kind).facts, True) if runs.is_current(out, kind, setting) else None


def open_case(
    case: Case,
    out: Path,
    kind: Kind,
    stage: Iterable[Path | str],
    device: str,
    precision: str,
    without: Iterable[str] = TRAINING,
    criteria: dict[str, Any] | None = None,
) -> OpenedCase:
    """Brings a case to its device and into its precision, and notes the setting.

    `stage` are the files whose code computes the numbers, and `criteria` says what those of criteria depend on; what lies in
    `without` does not count as such code (see `bench/runs/code_digest.py`). BadInput if a file of that kind cannot be written
    to `out`, or if the network fails in that precision.
    """
    runs.check_writable(out, kind)
    weights = runs.digest(state_dict.arrays(case.model))
    case = case.to(device, precision)
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
    return OpenedCase(case, out, setting | runs.measured_by(stage, code_of(case), without, criteria))


@torch.no_grad()
def _try(case: Case) -> None:
    """Raises BadInput if the network fails on two examples in the case's precision, as one that makes float32 numbers may."""
    try:
        case.model(next(case.batches(case.train, [0, 1], 2)).inputs)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{case.name}: the network fails in {case.precision} on {case.device.type}: {reason}") from error


def open_for_measuring(
    case: Case, out: Path, kind: Kind, resources: Resources, stage: Iterable[Path | str], criteria: dict[str, Any] | None = None
) -> OpenedCase:
    """Opens a case as `open_case` does, for a stage that measures.

    It chooses the batch size and the memory limit (in bytes) where they are not given; the setting has them and the fill.
    """
    opened = open_case(case, out, kind, stage, resources.device, resources.precision, criteria=criteria)
    held = resources.memory or memory.default_memory(opened.case.device)
    batch = resources.batch or memory.batch_size(opened.case, held)
    return OpenedCase(opened.case, out, opened.setting | {"batch": batch, "memory": held, "fill": fill_facts(opened.case)})


def code_of(case: Case) -> dict[str, Any]:
    """What a case's code depends on, as `depends_on` says it: of the file that defines it, or of what was made in Python."""
    if case.source:
        return depends_on([find(case.source).file], TRAINING)
    model = case.model
    made = [model.code if isinstance(model, fx.GraphModule) else repr(model), of_function(case.loss)]
    return {"sources": hashlib.sha256(json.dumps(made).encode()).hexdigest(), "libraries": {}}


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


def fill_facts(case: Case) -> dict[str, Any]:
    """What a run file says of a fill: its name, how many examples it is taken from, digests of their rows and their data."""
    if case.fill is None:
        return {"name": ZERO}
    rows = hashlib.sha256(json.dumps(list(case.fill.rows)).encode()).hexdigest()
    facts = {"name": case.fill.name, "examples": len(case.fill.rows), "rows": rows, "seed": case.fill.seed}
    return facts | {"data": fingerprint(case.train, case.fill.rows)}
