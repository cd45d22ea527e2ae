"""What every file of timings says of itself: provenance, and nothing of the machine's name or folders."""

from importlib.metadata import version

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.device import choose_device, device_name
from pruning_oracle.bench.network import memory


def pytest_configure(config):
    """Timings run as measurements do: with a heap that keeps its memory."""
    memory.keep_heap()


def pytest_benchmark_update_machine_info(config, machine_info):
    """The hardware, by its own name."""
    machine_info.clear()
    machine_info.update({"device": device_name(choose_device("auto")), "threads": torch.get_num_threads()})


def pytest_benchmark_update_json(config, benchmarks, output_json):
    """Versions, commit, command and time, as in every run file."""
    output_json["commit_info"] = {}
    output_json["provenance"] = runs.provenance()
    output_json["provenance"]["versions"] |= {name: version(name) for name in ("captum", "pytest-benchmark")}
