"""Times a pruned network and the whole one: median, 5th and 95th percentile of forward passes of 1, 16 and 128 examples."""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pruning_oracle.bench import clock, runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.setting import Finished
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.export import export

KIND = "latency"
BATCHES = (1, 16, 128)
SECONDS, LEAST, MOST = 2.0, 9, 200  # of timing both networks; passes of each, at least and at most
Pass = Callable[[], Any]
MakeRuntime = Callable[[Case, torch.Tensor, Path], Pass]


def eager(case: Case, inputs: torch.Tensor, scratch: Path) -> Pass:
    """A forward pass by torch without compilation; `scratch` is not used."""
    return lambda: case.model(inputs)


def compiled(case: Case, inputs: torch.Tensor, scratch: Path) -> Pass:
    """A forward pass compiled by `torch.compile`; `scratch` is not used."""
    made = torch.compile(case.model, dynamic=False)
    return lambda: made(inputs)


def onnx(case: Case, inputs: torch.Tensor, scratch: Path) -> Pass:
    """A forward pass by onnxruntime on a CPU, with as many threads as torch; exports the network to the file `scratch`."""
    export(case, scratch)
    import onnxruntime  # noqa: PLC0415 (an optional package)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would slow the other session
    session = onnxruntime.InferenceSession(str(scratch), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: inputs.cpu().numpy()}
    return lambda: session.run(None, given)


WAYS: dict[str, MakeRuntime] = {"eager": eager, "compiled": compiled, "onnxruntime": onnx}


def measure_latency(whole: Case, pruned: Case, scratch: Path) -> list[dict[str, Any]]:
    """Seconds per pass of both networks, a row for every way to run them, number of examples and network.

    The two networks take turns after untimed passes. If a way fails, its row says why; `scratch` is a file to overwrite.
    """
    rows = []
    for way, make in WAYS.items():
        if way == "onnxruntime" and whole.device.type != "cpu":
            continue
        for batch in BATCHES:
            inputs = next(whole.batches(whole.train, range(batch), batch)).inputs
            try:
                with warnings.catch_warnings(), torch.no_grad():
                    warnings.simplefilter("ignore")  # compilers warn
                    both = [turns(make(case, inputs, scratch)) for case in (whole, pruned)]
                    seconds = interleaved(*both)
            except Exception as error:  # compilers fail in many ways: the table says how
                rows.append({"way": way, "batch": batch, "missing": f"{type(error).__name__}: {str(error).splitlines()[0]}"})
                torch.compiler.reset()
                continue
            for name, taken in zip(("whole", "pruned"), seconds, strict=True):
                low, median, high = np.quantile(taken, [0.05, 0.5, 0.95])
                found = {"median": median, "5 %": low, "95 %": high, "passes": len(taken)}
                rows.append({"way": way, "batch": batch, "network": name} | found)
    return rows


def turns(run: Pass) -> Pass:
    """Calls `run` three times to warm up, and returns it."""
    for _ in range(3):
        run()
    return run


def interleaved(first: Pass, second: Pass) -> tuple[list[float], list[float]]:
    """Seconds of every pass of `first` and of `second`, which run alternately."""
    seconds: tuple[list[float], list[float]] = ([], [])
    begin = time.perf_counter()
    while len(seconds[0]) < LEAST or (time.perf_counter() - begin < SECONDS and len(seconds[0]) < MOST):
        for taken, run in zip(seconds, (first, second), strict=True):
            taken.append(clock.once(run))
    return seconds


def latency_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Lines to print from the rows of `measure_latency`: median milliseconds of both networks, and the speed-up."""
    lines = []
    for way in dict.fromkeys(row["way"] for row in rows):
        for batch in BATCHES:
            found = {row.get("network"): row for row in rows if (row["way"], row["batch"]) == (way, batch)}
            if None in found:
                lines.append(f"{way:12} batch {batch:3}: missing, {found[None]['missing']}")
            elif found:
                said = [f"{1e3 * found[name]['median']:8.2f} ms" for name in ("whole", "pruned")]
                gain = found["whole"]["median"] / found["pruned"]["median"]
                lines.append(f"{way:12} batch {batch:3}: {' → '.join(said)}, {gain:.1f} times as fast")
    return lines


def run_latency(network: Path, out: Path | None = None, source: str | None = None, device: str = "auto") -> Finished:
    """Times the network of a file beside the whole one, and writes what that gave to `out` (default: beside the network).

    `source` is that of `load_network`.
    """
    path = out or runs.beside(network, ".latency")
    runs.check_writable(path, runs.run_file(KIND))
    pruned, facts = network_file.load_network(network, source)
    if len(pruned.train) < max(BATCHES):
        raise BadInput(f"{pruned.name} has {len(pruned.train)} training examples; {max(BATCHES)} are needed")
    pruned = pruned.to(device, facts["precision"])
    whole = load(pruned.source, pruned.seed).to(device, facts["precision"])
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_latency(whole, pruned, Path(folder, "network.onnx"))
    sizes = {name: cost.whole(case) for name, case in (("whole", whole), ("pruned", pruned))}
    said: dict[str, Any] = {name: {"flops": size.flops, "parameters": size.parameters} for name, size in sizes.items()}
    said |= network_file.setting_of(pruned, facts, "pruning/latency.py") | {"rows": rows} | runs.provenance()
    runs.save(path, KIND, {}, said)
    return Finished(path, said, False)
