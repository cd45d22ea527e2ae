"""`python -m repairs --record FOLDER`: what each repair gives back on networks trained on digits, three seeds."""

import argparse
import json
from pathlib import Path

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.device import device_name
from pruning_oracle.bench.loading.load import load
from repairs.given_back import REPAIRED_ON, TESTED, given_back, summary


def main() -> None:
    """Measures every network, and writes the rows and their summary; a record is not written over."""
    parser = argparse.ArgumentParser(prog="python -m repairs", description=__doc__)
    parser.add_argument("--record", type=Path, help="folder to write repairs.json to")
    parser.add_argument("--cases", nargs="*", default=["resnet-digits", "vgg-digits"])
    given = parser.parse_args()
    rows = []
    for name in given.cases:
        for seed in (0, 1, 2):
            rows += list(given_back(load(name, seed)))
            print(f"{name} seed {seed}: {len(rows)} rows", flush=True)
    for row in summary(rows):
        print(row)
    if given.record:
        given.record.mkdir(parents=True, exist_ok=True)
        facts = {"repaired on": REPAIRED_ON, "tested": TESTED, "precision": "float32", "threads": torch.get_num_threads()}
        facts |= {"device": device_name(torch.device("cpu")), "summary": summary(rows), "rows": rows}
        with (given.record / "repairs.json").open("x") as file:
            file.write(json.dumps(facts | runs.provenance(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
