"""Scores a case's feature maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import fingerprint, network_facts, open_for_measuring, stage_options
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.loading.choice import choice_of
from pruning_oracle.bench.scores import reduction_name
from pruning_oracle.criteria.cost import measure_costs
from pruning_oracle.criteria.criterion import Criterion, Evidence, choose_criteria, files_of, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable

SOURCES = (
    "criteria/evidence/collect.py",
    "criteria/cost.py",
    "bench/network/cost.py",
)  # the modules whose code determines the numbers, beside the criteria's own files


def fitting(case: Case, chosen: list[Criterion], named: list[str]) -> tuple[list[Criterion], dict[str, str]]:
    """The chosen criteria whose evidence the case can provide; and why the others are unavailable, by name.

    Raises BadInput if a criterion in `named` is unavailable, or if all are.
    """
    reasons = unavailable(case, needs_of(chosen))
    missing = {
        criterion.name: f"{name}: {reasons[name]}"
        for criterion in chosen
        for name in sorted(criterion.needs)
        if name in reasons
    }
    return _others(case, chosen, missing, named), missing


def _others(case: Case, chosen: list[Criterion], missing: dict[str, str], named: list[str]) -> list[Criterion]:
    """The chosen criteria that are not missing; BadInput if one of those `named` is, or if all are."""
    for name in named:
        if name in missing:
            raise BadInput(f"{case.name}: criterion {name!r} is unavailable here, since it needs {missing[name]}")
    found = [criterion for criterion in chosen if criterion.name not in missing]
    if not found:
        raise BadInput(f"{case.name}: every criterion is unavailable here: {missing}")
    for name, reason in missing.items():
        print(f"left out: {name}, which needs {reason}")
    return found


def saliencies(
    chosen: list[Criterion], evidence: dict[str, Evidence], lost: dict[str, str]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Every criterion's saliencies by site; and what those lack that fail or need evidence in `lost`, by name."""
    found, failed = {}, {}
    for criterion in chosen:
        if needed := sorted(criterion.needs & lost.keys()):
            failed[criterion.name] = f"{needed[0]}: {lost[needed[0]]}"
            continue
        try:
            found[criterion.name] = {site: criterion(seen).cpu().numpy() for site, seen in evidence.items()}
        except BadInput as error:
            failed[criterion.name] = f"a case on which it does not fail: {error}"
    return found, failed


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    parser = stage_options("criteria", __doc__)
    parser.add_argument(
        "--criteria", nargs="*", default=[], help="which: names, .py files with @criterion, quick, all (default)"
    )
    given = parser.parse_args(arguments)
    chosen = choose_criteria(given.criteria)
    opened = open_for_measuring("criteria.safetensors", runs.run_file("criteria"), given, SOURCES, files_of(chosen))
    case, out, choice = opened.case, opened.out, choice_of(given)
    splits = dict(zip(("shared", "fresh"), choice.split(case), strict=True))
    chosen, missing = fitting(case, chosen, given.criteria)
    data = {name: fingerprint(case.train, rows) for name, rows in splits.items()}
    said = {criterion.name: _said(criterion) for criterion in chosen}
    counts = {name: {key: of[key] for key in of if key != "says"} for name, of in said.items()}
    setting = opened.setting | choice.facts(case) | {"data": data, "criteria": counts, "left_out_criteria": missing}
    if runs.is_current(out, "criteria", setting):
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting)}
    arrays: runs.Arrays = {}
    for name, rows in splits.items():
        start, lost = time.perf_counter(), dict[str, str]()
        evidence = collect(case, rows, given.batch, needs_of(chosen), name, lost)
        found, failed = saliencies(chosen, evidence, lost)
        chosen, missing = _others(case, chosen, failed, given.criteria), missing | failed
        for criterion, by_site in found.items():
            arrays |= {f"{name}/{criterion}/{site}": values for site, values in by_site.items()}
        arrays[f"{name}/rows"] = np.array(rows)
        facts[name] = {"examples": len(rows), "data": data[name], "seconds": round(time.perf_counter() - start, 2)}
    arrays = {key: values for key, values in arrays.items() if key.split("/")[1] not in missing}
    facts["left_out_criteria"] = missing
    price, facts["forward seconds per example"] = measure_costs(case, chosen, splits["shared"], given.batch)
    facts["criteria"] = {name: said[name] | {"forward passes": round(spent, 2)} for name, spent in price.items()}
    runs.save(out, "criteria", arrays, facts | runs.provenance())
    seconds = facts["shared"]["seconds"] + facts["fresh"]["seconds"]
    print(f"{case.name} seed {case.seed}: {len(chosen)} criteria in {seconds:.0f} s, in {out}")


def _said(criterion: Criterion) -> dict[str, Any]:
    """The facts about a criterion that a run file stores."""
    return {
        "reduce": reduction_name(criterion.reduce),
        "unit": criterion.unit,
        "source": criterion.source,
        "says": (criterion.saliency.__doc__ or "").strip().splitlines()[0],
        "needs": sorted(criterion.needs),
    }


if __name__ == "__main__":
    exit_with(main)
