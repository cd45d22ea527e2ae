"""Scores a case's feature maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time

import numpy as np

from bench import runs
from bench.case import Case
from bench.command import fingerprint, options, prepare
from bench.errors import BadInput, exit_with
from bench.reductions import name_of
from criteria.criterion import Criterion, choose
from criteria.evidence import collect, unfit
from criteria.price import prices


def fitting(case: Case, chosen: list[Criterion], named: list[str]) -> tuple[list[Criterion], dict[str, str]]:
    """The criteria whose evidence the case can give, and why not the others; one that was asked for by name must fit."""
    reasons = unfit(case, _needs(chosen))
    missing = {
        criterion.name: f"{name}: {reasons[name]}"
        for criterion in chosen
        for name in sorted(criterion.needs)
        if name in reasons
    }
    for name in named:
        if name in missing:
            raise BadInput(f"{case.name}: criterion {name!r} cannot be had here, since it needs {missing[name]}")
    found = [criterion for criterion in chosen if criterion.name not in missing]
    if not found:
        raise BadInput(f"{case.name}: none of the criteria can be had here: {missing}")
    for name, reason in missing.items():
        print(f"left out: {name}, which needs {reason}")
    return found, missing


def _needs(chosen: list[Criterion]) -> frozenset[str]:
    return frozenset[str]().union(*(criterion.needs for criterion in chosen))


def main() -> None:
    """The command line."""
    parser = options("criteria", __doc__)
    parser.add_argument(
        "--criteria", nargs="*", default=[], help="which: names, .py files with @criterion, quick, all (default)"
    )
    given = parser.parse_args()
    chosen = choose(given.criteria)
    case, out, facts = prepare("criteria", given)
    chosen, missing = fitting(case, chosen, given.criteria)
    arrays: runs.Arrays = {}
    for name, rows in zip(("shared", "fresh"), case.split(given.examples), strict=True):
        start = time.perf_counter()
        evidence = collect(case, rows, given.batch, _needs(chosen), name)
        for criterion in chosen:
            for site, seen in evidence.items():
                arrays[f"{name}/{criterion.name}/{site}"] = criterion(seen).cpu().numpy()
        arrays[f"{name}/rows"] = np.array(rows)
        facts[name] = {
            "examples": len(rows),
            "data": fingerprint(case.train, rows),
            "seconds": round(time.perf_counter() - start, 2),
        }
    price, facts["forward seconds per example"] = prices(case, chosen, case.split(given.examples)[0], given.batch)
    facts["left_out_criteria"] = missing
    facts["criteria"] = {
        criterion.name: {
            "reduce": name_of(criterion.reduce),
            "unit": criterion.unit,
            "source": criterion.source,
            "says": (criterion.saliency.__doc__ or "").strip().splitlines()[0],
            "needs": sorted(criterion.needs),
            "forward passes": round(price[criterion.name], 2),
        }
        for criterion in chosen
    }
    runs.save(out, "criteria", arrays, facts | runs.provenance())
    seconds = facts["shared"]["seconds"] + facts["fresh"]["seconds"]
    print(f"{case.name} seed {case.seed}: {len(chosen)} criteria in {seconds:.0f} s, in {out}")


if __name__ == "__main__":
    exit_with(main)
