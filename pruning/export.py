"""Exports a pruned network to ONNX, for any number of examples, and checks that onnxruntime gives torch's outputs."""

import warnings
from pathlib import Path

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.kinds import FORMAT, ONNX
from pruning_oracle.pruning.cutting import network_file

MISSING = "{} is not installed: pip install 'pruning-oracle[onnx]'"
TOLERANCE = 1e-4  # largest difference, relative to the largest output or to 1
COUNTS = (1, 3)  # numbers of examples with which the exported network is checked


def export(case: Case, path: Path) -> float:
    """Writes a case's network to `path`; returns by how much outputs differ, relative to the largest output or to 1.

    Raises BadInput, and writes nothing, if a package is missing or the difference is above TOLERANCE.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (an optional package, like the next one)
        import onnxscript  # noqa: F401, PLC0415 (torch's exporter needs it)
    except ImportError as error:
        raise BadInput(MISSING.format(error.name)) from error
    two = next(case.batches(case.train, range(2), 2)).inputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own calls cause warnings
        made = torch.onnx.export(
            case.model.eval(), (two,), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
    assert made is not None
    network = made.model_proto
    network.metadata_props.add(key="written by", value=FORMAT)
    content = network.SerializeToString()
    worst = 0.0
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for count in COUNTS:
        inputs = next(case.batches(case.train, range(count), count)).inputs
        with torch.no_grad():
            expected = case.model(inputs)
        (got,) = session.run(None, {session.get_inputs()[0].name: inputs.cpu().numpy()})
        difference = (torch.from_numpy(got) - expected.cpu()).abs().max() / expected.abs().max().clamp(min=1).cpu()
        worst = max(worst, float(difference))
    if not worst <= TOLERANCE:
        raise BadInput(f"{case.name}: onnxruntime gives other outputs than torch, by {worst:.1g} of the largest")
    runs.write_atomically(path, content, ONNX)
    return worst


def export_network(network: Path, out: Path | None = None, source: str | None = None) -> tuple[Case, Path, float]:
    """Exports the network of a file to `out` (default: beside it); returns its case, the path, and what `export` returns.

    `source` is that of `load_network`.
    """
    path = out or runs.beside(network, ".onnx")
    runs.check_writable(path, ONNX)
    case = network_file.load_network(network, source)[0]
    return case, path, export(case, path)
