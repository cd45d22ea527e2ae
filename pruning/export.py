"""Writes a pruned network as ONNX, for any number of examples, and refuses it where onnxruntime gives other outputs."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.pruning.cutting import network_file

MISSING = "{} is not installed: pip install 'pruning-oracle[onnx]'"
TOLERANCE = 1e-4  # of the largest output, or of 1
COUNTS = (1, 3)  # examples that are tried


def export(case: Case, path: Path) -> float:
    """Writes a case's network and tries it; the largest difference of the outputs, of the largest output or of 1."""
    try:
        import onnxruntime  # noqa: PLC0415 (an optional package, as the next)
        import onnxscript  # noqa: F401, PLC0415 (torch's exporter asks for it)
    except ImportError as error:
        raise BadInput(MISSING.format(error.name)) from error
    two = next(case.batches(case.train, range(2), 2)).inputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own calls
        made = torch.onnx.export(
            case.model.eval(), (two,), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
    assert made is not None
    content = made.model_proto.SerializeToString()
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
    runs.write_atomically(path, content)
    return worst


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = network_file.network_options("export", __doc__, ".onnx")
    given = parser.parse_args(arguments)
    case, _, out = network_file.open_network(given, ".onnx")
    worst = export(case, out)
    print(f"{case.name} seed {case.seed}: {out}; onnxruntime gives torch's outputs up to {worst:.1g} of the largest")


if __name__ == "__main__":
    exit_with(main)
