"""Runs one part of `make gpu` and prints every fact as soon as it is measured, a line of JSON each."""

import argparse
import importlib
import json

from gpu.__main__ import FACT, PARTS
from pruning_oracle.bench.errors import exit_with


def main() -> None:
    """The command line: the part, the device, and whether to rehearse with tiny sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("device")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    if given.device == "standin":
        importlib.import_module("standin")
    device = importlib.import_module("pruning_oracle.bench.device")
    memory = importlib.import_module("pruning_oracle.bench.network.memory")
    memory.keep_heap()
    where = device.choose_device(given.device)
    print(
        FACT
        + json.dumps({"device": device.device_name(where), "kind": where.type, "memory, bytes": device.total_memory(where)})
    )
    for fact in importlib.import_module(f"gpu.{given.part}").facts(where, given.tiny):
        print(FACT + json.dumps(fact))


if __name__ == "__main__":
    exit_with(main)
