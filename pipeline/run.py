"""Runs what is asked of the pipeline: cases and seeds measured, pruned or timed, several at a time in a few processes.

Every stage decides by content whether its file is still what it would make, so nothing is made twice.
"""

import os
from pathlib import Path

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RUNS, folder
from pruning_oracle.pipeline.processes import run_all
from pruning_oracle.pipeline.requests import Request, measuring, oracle_of, pruning, studying_sets
from pruning_oracle.pruning.studies import FAR

EMBEDDED = ("vgg-digits", "resnet-digits", "r3dcnn-gestures")
SEEDS = (0, 1, 2)


def measure(asked: Request, least: str = "quick") -> None:
    """Measures, scores and grades every run, by at `least` the quick criteria, or by `all`."""
    run_all(list(measuring(asked, least)), _shared(asked.jobs), "runs")


def measure_oracles(asked: Request) -> None:
    """Measures the oracle of every run."""
    run_all([oracle_of(asked, *run) for run in asked.runs], _shared(asked.jobs), "oracles")


def prune(asked: Request, small: bool = False, more: bool = False) -> None:
    """Prunes every run by the settings of the studies (see `pruning/studies.py`)."""
    run_all(list(pruning(asked, small, more)), _shared(asked.jobs), "pruning runs")


def study_sets(asked: Request) -> None:
    """Measures every run, and what sets of its maps cost."""
    run_all(list(studying_sets(asked)), _shared(asked.jobs), "runs")


def time_networks(asked: Request) -> None:
    """Times the networks of the study that prunes far, one after another with all cores; BadInput if there are none."""
    files = [str(file) for case, seed in asked.runs for file in sorted((folder(case, seed) / FAR).glob("*.network"))]
    if not files:
        raise BadInput(f"no networks to time under {RUNS}: `make prune-more` makes them")
    run_all([[("latency", file, "--device", asked.device)] for file in files], 1, "timings")


def usual_jobs(device: str, devices: Path = Path("/dev")) -> int:
    """How many runs are made at a time: one on a GPU, else two; `auto` is taken for one where an NVIDIA driver is."""
    return 1 if device not in {"auto", "cpu"} or (device == "auto" and any(devices.glob("nvidia[0-9]"))) else 2


def _shared(jobs: int) -> int:
    """Shares the cores among the runs that are made at a time: small networks gain little from a second one.

    The processes inherit it.
    """
    if jobs > 1:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ.setdefault("OMP_NUM_THREADS", str(-(-cores // jobs)))
        os.environ.setdefault("TQDM_DISABLE", "1")
    return jobs
