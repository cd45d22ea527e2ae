"""Scores a case's feature maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time

import numpy as np
import torch

from bench import runs
from bench.case import Case
from bench.command import fingerprint, options, prepare
from bench.errors import exit_with
from bench.reductions import name_of
from criteria.criterion import choose
from criteria.evidence import collect
from criteria.gauss_newton import unfit
from criteria.statistics import CURVATURE


def _unfit(case: Case) -> str:
    """Why the network has no curvature to measure, if so."""
    with torch.no_grad():
        return unfit(case.model(next(case.batches(case.train, [0], 1)).inputs))


def main() -> None:
    """The command line."""
    parser = options("criteria", __doc__)
    parser.add_argument("--criteria", nargs="*", default=[], help="which criteria (default: all)")
    given = parser.parse_args()
    chosen = choose(given.criteria)
    case, out, facts = prepare("criteria", given)
    if not given.criteria and (reason := _unfit(case)):
        left = [criterion.name for criterion in chosen if CURVATURE in criterion.needs]
        chosen = [criterion for criterion in chosen if CURVATURE not in criterion.needs]
        print(f"left out: {', '.join(left)}: {reason}")
    needs = frozenset().union(*(criterion.needs for criterion in chosen))
    arrays: runs.Arrays = {}
    for name, rows in zip(("shared", "fresh"), case.split(given.examples), strict=True):
        start = time.perf_counter()
        evidence = collect(case, rows, given.batch, needs, name)
        for criterion in chosen:
            for site, seen in evidence.items():
                arrays[f"{name}/{criterion.name}/{site}"] = criterion.saliency(seen).cpu().numpy()
        arrays[f"{name}/rows"] = np.array(rows)
        facts[name] = {
            "examples": len(rows),
            "data": fingerprint(case.train, rows),
            "seconds": round(time.perf_counter() - start, 2),
        }
    facts["criteria"] = {
        criterion.name: {
            "reduce": name_of(criterion.reduce),
            "unit": criterion.unit,
            "source": criterion.source,
            "says": (criterion.saliency.__doc__ or "").strip().splitlines()[0],
        }
        for criterion in chosen
    }
    runs.save(out, "criteria", arrays, facts | runs.provenance())
    seconds = facts["shared"]["seconds"] + facts["fresh"]["seconds"]
    print(f"{case.name} seed {case.seed}: {len(chosen)} criteria in {seconds:.0f} s, in {out}")


if __name__ == "__main__":
    exit_with(main)
