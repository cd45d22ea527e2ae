"""The most memory that a way to measure an oracle holds, measured in a process of its own."""

import subprocess
import sys

from pruning_oracle.bench.network import memory

from timings.networks import SETUPS, thin


def peak(name: str, way: str) -> int:
    """Bytes beyond what the process held before, measuring one network's sample in one way."""
    words = [sys.executable, "-W", "ignore", "-m", "timings.peak", name, way]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Prints it."""
    from timings.ways import WAYS  # noqa: PLC0415 (captum's own imports are not what is measured)

    setup, way = SETUPS[sys.argv[1]], sys.argv[2]
    case = thin(setup.case(), setup.maps if way == "replay" else 1).to("auto", "float32")  # one pass is all passes to literal
    batch = next(case.batches(case.train, range(setup.examples), setup.examples))
    memory.forget_peak(case.device)
    before = memory.peak(case.device)
    WAYS[way](case, batch).call()
    print(memory.peak(case.device) - before)


if __name__ == "__main__":
    main()
