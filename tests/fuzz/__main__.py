"""`python -m fuzz --minutes 10 --record FOLDER`: judges random networks for so many CPU minutes, and records how many."""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz.judge import Seen, judge
from fuzz.networks import programs
from pruning_oracle.bench import runs

PHASES = [Phase.generate, Phase.shrink]
ROUND = 50  # networks between two looks at the clock


def main() -> None:
    """Judges until the time is up; a network that fails ends it with the smallest one that does."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="CPU minutes (default 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="folder to write fuzz.json to")
    given_options = parser.parse_args()
    torch.set_num_threads(1)
    seen, rounds = Seen(), 0
    while time.process_time() < 60 * given_options.minutes:

        @seed(given_options.seed * 1_000_003 + rounds)
        @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=PHASES)
        @given(programs(), st.integers(0, 2**16))
        def one_round(program, number):
            judge(program, number, seen)

        one_round()
        rounds += 1
        print(f"{time.process_time() / 60:.1f} CPU minutes: {seen}", flush=True)
    facts = {"cpu_seconds": round(time.process_time()), "seed": given_options.seed, "rounds": rounds, "examples per network": 3}
    if given_options.record:
        given_options.record.mkdir(parents=True, exist_ok=True)
        content = json.dumps(facts | dataclasses.asdict(seen) | runs.provenance(), indent=1)
        with (given_options.record / "fuzz.json").open("x") as file:  # a record is not written over
            file.write(content + "\n")


if __name__ == "__main__":
    main()
