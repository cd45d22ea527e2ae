"""Scores a case's feature maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time

import numpy as np

from bench import runs
from bench.command import fingerprint, options, prepare
from bench.errors import exit_with
from bench.reductions import name_of
from criteria.criterion import choose
from criteria.evidence import collect


def main() -> None:
    """The command line."""
    parser = options("criteria", __doc__)
    parser.add_argument("--criteria", nargs="*", default=[], help="which criteria (default: all)")
    given = parser.parse_args()
    chosen = choose(given.criteria)
    needs = frozenset().union(*(criterion.needs for criterion in chosen))
    case, out, facts = prepare("criteria", given)
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
