"""`python -m sweep --record FOLDER`: tries every network of the sweep, and writes what was found to sweep.json."""

import argparse
import json
from pathlib import Path

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from sweep.networks import EVERY, made
from sweep.tried import tried


def main() -> None:
    """Tries the networks one after another; one that is refused is noted with the reason."""
    parser = argparse.ArgumentParser(prog="python -m sweep", description=__doc__)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of networks (default: all)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for library, name, shape in EVERY:
        if given.only and name not in given.only:
            continue
        try:
            found[f"{library}:{name}"] = tried(made(library, name), shape)
        except BadInput as error:
            found[f"{library}:{name}"] = {"refused": str(error)}
        print(f"{library}:{name}", found[f"{library}:{name}"], flush=True)
    given.record.mkdir(parents=True, exist_ok=True)
    facts = {"command": "python -m sweep", "networks": found} | runs.provenance()
    with (given.record / "sweep.json").open("x") as file:  # a record is not written over
        file.write(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
