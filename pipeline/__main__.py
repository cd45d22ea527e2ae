"""The pipeline that `make` runs: the stages' own commands for cases and seeds, several at a time in a few processes.

Every stage decides by content whether its file is still what it would make, so nothing is made twice. Each process is
started once and takes run after run.
"""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.runs import RUNS, folder
from pruning_oracle.bench.runs.bounds import JOBS
from pruning_oracle.bench.runs.options import Parser
from pruning_oracle.pipeline.processes import SUITE, run_all
from pruning_oracle.pipeline.requests import Request, measuring, oracle_of, pruning, request
from pruning_oracle.pruning.studies import FAR, PRUNING, SMALL

EMBEDDED = "vgg-digits resnet-digits r3dcnn-gestures"


def run_target(target: str, asked: Request) -> None:
    """Makes one target of the Makefile."""
    given, cases, seeds = asked.given, list(asked.cases), [str(seed) for seed in asked.seeds]
    on_cases = [*cases, "--seeds", *seeds]

    def report(*words: str) -> None:
        importlib.import_module(f"{SUITE}.reports.__main__").main(words)

    if target == "oracle":
        run_all([oracle_of(asked, *run) for run in asked.runs], given.jobs, "oracles")
    elif target in {"compare", "report"}:
        run_all(list(measuring(asked)), given.jobs, "runs")
        report("page", *on_cases, "--jobs", str(given.jobs))
        if target == "compare":
            report("show", *on_cases)
    elif target in {"regress", "regress-accept"}:
        if target == "regress-accept":
            if not given.reason.strip():
                raise BadInput('a new baseline needs a reason: make regress-accept REASON="why"')
            # before anything is measured
            importlib.import_module(f"{SUITE}.reports.regression.baseline").folder_to_write(cases, None)
        run_all(list(measuring(asked, "all")), given.jobs, "runs")
        report(*(["accept", *on_cases, "--reason", given.reason] if target == "regress-accept" else ["regress", *on_cases]))
    elif target in {"prune", "prune-more"}:
        run_all(list(pruning(asked, more=target == "prune-more")), given.jobs, "pruning runs")
        report("pruning", *on_cases)
    elif target == "prune-timings":
        files = [str(file) for case, seed in asked.runs for file in sorted((folder(case, seed) / FAR).glob("*.network"))]
        if not files:
            raise BadInput(f"no networks to time under {RUNS}: `make prune-more` makes them")
        run_all([[("pruning.latency", file, "--device", given.device)] for file in files], given.jobs, "timings")
        report("pruning", *on_cases)
    else:
        train = [asked.command("bench", case, seed) for case, seed in asked.runs]
        run_all([[(module, "train", *words)] for module, *words in train], given.jobs, "trainings")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line, as the Makefile calls it: an empty value is one that was not given."""
    parser = Parser(prog=f"python -m {SUITE}.pipeline", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", default="", help=text)
    parser.add_argument("--small", nargs="?", const="1", default="", help=f"prune: only {' and '.join(SMALL)} under {PRUNING}")
    parser.add_argument("--strict", nargs="?", const="1", default="", help="an example that cannot be read is an error")
    given = parser.parse_args(arguments)
    given.cases, given.seeds, given.device = given.cases or EMBEDDED, given.seeds or "0 1 2", given.device or "auto"
    if given.small and given.target != "prune":
        raise BadInput(f"SMALL is for make prune alone, not for make {given.target}")
    if given.small:
        given.seeds = " ".join(given.seeds.split()[:1])
    jobs = JOBS.read("JOBS", given.jobs) if given.jobs else usual_jobs(given.device)
    given.jobs = 1 if given.target in ALONE else jobs
    if given.jobs > 1:
        _share_cores(given.jobs)
    run_target(given.target, request(given))


def usual_jobs(device: str, devices: Path = Path("/dev")) -> int:
    """How many runs are made at a time: one on a GPU, else two; `auto` is taken for one where an NVIDIA driver is."""
    return 1 if device not in {"auto", "cpu"} or (device == "auto" and any(devices.glob("nvidia[0-9]"))) else 2


def _share_cores(jobs: int) -> None:
    """Two runs at a time, a core each: small networks gain little from a second one. The processes inherit it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(-(-cores // jobs)))
    os.environ.setdefault("TQDM_DISABLE", "1")


ALONE = ("prune-timings", "train")  # one run at a time, with all cores
TARGETS = ("oracle", "compare", "report", "regress", "regress-accept", "prune", "prune-more", "prune-timings", "train")
OPTIONS = {
    "cases": f"names of cases, or .py files that hold one (default: {EMBEDDED})",
    "seeds": "of the cases (default: 0 1 2)",
    "criteria": "which: quick (default), all, names, .py files",
    "device": "auto (default), cpu, or what torch calls it: cuda, cuda:1, mps, …",
    "budget": "oracles: a share of the pairs, or seconds such as 60s",
    "until": "oracles: until spearman=0.98 is likely, or intervals have at most width=0.01 nats",
    "network": "torchvision:NAME or timm:NAME in the place of cases",
    "weights": "its weights",
    "dataset": "its examples, such as imagefolder:PATH",
    "size": "pixels of the square it sees",
    "name": "what its runs are called",
    "reason": "regress-accept: why the new figures are right",
    "jobs": "how many runs are made at a time (default: 2, or 1 where there is a GPU)",
}

if __name__ == "__main__":
    exit_with(main)
