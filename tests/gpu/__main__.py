"""What `make gpu` runs: proves and measures the suite on a GPU, part by part, each in a process of its own with a time limit.

A record, `gpu.json`, is written after every part: a run cut short has lost one part, and of that only what was not
measured yet.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.device import choose_device
from pruning_oracle.bench.errors import exit_with
from pruning_oracle.bench.runs.kinds import GPU
from pruning_oracle.bench.runs.options import Parser, each_once

# the most telling first; seconds that each may take, together under eight minutes
PARTS = {"tests": 90, "oracles": 60, "vgg16": 150, "networks": 80, "criteria": 40, "pruning": 50}
FACT = "fact "  # begins a line of a part's output that goes into the record


def run_part(name: str, device: str, tiny: bool) -> dict[str, Any]:
    """Runs a part in a process of its own until it ends or its time is up; prints what it says, and returns its facts."""
    words = [sys.executable, "-u", "-m", "gpu.part", name, device, *(["--tiny"] if tiny else [])]
    began, facts, out_of_time = time.perf_counter(), [], threading.Event()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:

        def stop() -> None:
            out_of_time.set()
            process.kill()

        timer = threading.Timer(PARTS[name], stop)
        timer.start()
        assert process.stdout
        for line in process.stdout:
            print(f"{time.perf_counter() - began:5.0f} s  {line.removeprefix(FACT)}", end="", flush=True)
            if line.startswith(FACT):
                facts.append(json.loads(line.removeprefix(FACT)))
        process.wait()
        timer.cancel()
    ended = "cut short" if out_of_time.is_set() else "whole" if process.returncode == 0 else f"failed ({process.returncode})"
    return {"ended": ended, "seconds": round(time.perf_counter() - began, 1), "limit, s": PARTS[name], "facts": facts}


def main() -> None:
    """Runs all parts, or those named, and writes the record; the exit status says whether any failed."""
    parser = Parser(prog="make gpu", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", default="", help="anything: sizes for a rehearsal on a CPU")
    parser.add_argument("--record", type=Path, required=True, help="the folder to write gpu.json to")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    given = parser.parse_args()
    each_once("--parts", given.parts)
    if given.device != "standin":  # which each part makes for itself
        choose_device(given.device)
    runs.check_writable(given.record / "gpu.json", GPU)
    record: dict[str, Any] = {"command": "make gpu", "tiny": bool(given.tiny), "parts": {}}
    for name in given.parts:
        print(f"part {name}, at most {PARTS[name]} s", flush=True)
        record["parts"][name] = run_part(name, given.device, bool(given.tiny))
        text = json.dumps(record | {"provenance": runs.provenance()}, indent=1) + "\n"
        runs.write_atomically(given.record / "gpu.json", text, GPU)
    ends = {name: part["ended"] for name, part in record["parts"].items()}
    print(f"{', '.join(f'{name}: {ended}' for name, ended in ends.items())}; in {given.record / 'gpu.json'}")
    sys.exit(any(ended.startswith("failed") for ended in ends.values()))


if __name__ == "__main__":
    exit_with(main)
