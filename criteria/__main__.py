"""Scores a case's feature maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import fingerprint, network_facts, open_for_measuring, stage_options
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.loading.choice import choice_of
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs.shelf import Shelf
from pruning_oracle.bench.scores import reduction_name
from pruning_oracle.criteria.cost import Timed, measure_costs
from pruning_oracle.criteria.criterion import Criterion, Evidence, choose_criteria, files_of, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.room import Room, least_bytes, room_for

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `arguments` default to those of the command line."""
    parser = stage_options("criteria", __doc__)
    parser.add_argument(
        "--criteria", nargs="*", default=[], help="which: names, .py files with @criterion, quick, all (default)"
    )
    given = parser.parse_args(arguments)
    chosen = choose_criteria(given.criteria)
    asked = given.memory is not None
    opened = open_for_measuring("criteria.safetensors", runs.run_file("criteria"), given, SOURCES, files_of(chosen))
    case, out, choice = opened.case, opened.out, choice_of(given)
    splits = dict(zip(("shared", "fresh"), choice.split(case), strict=True))
    users = {Path(word).resolve() for word in given.criteria if word.endswith(".py")}
    named = [*given.criteria, *(one.name for one in chosen if one.file.resolve() in users)]  # a mistake in them is the user's
    chosen, missing = fitting(case, chosen, given.criteria)
    data = {name: fingerprint(case.train, rows) for name, rows in splits.items()}
    said = {criterion.name: _said(criterion) for criterion in chosen}
    counts = {name: {key: of[key] for key in of if key != "says"} for name, of in said.items()}
    setting = opened.setting | choice.facts(case) | {"data": data, "criteria": counts, "left_out_criteria": missing}
    if runs.is_current(out, "criteria", setting):
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting)}
    room = _room(case, chosen, len(splits["shared"]), given.memory, asked)
    kept = Shelf(room.kept, out.parent)
    for name, rows in splits.items():
        start = time.perf_counter()
        timed, failed = _score(case, chosen, name, rows, given.batch, room, kept)
        chosen, missing = _others(case, chosen, failed, named), missing | failed
        kept.add(f"{name}/rows", np.array(rows))
        facts[name] = {"examples": len(rows), "data": data[name], "seconds": round(time.perf_counter() - start, 2)}
    kept.drop(lambda name: name.split("/")[1] in missing)
    facts["left_out_criteria"] = missing
    # of what was timed, the last split counts: nothing is new to it
    prices, unit = measure_costs(case, chosen, splits["shared"], given.batch, timed, room)
    facts["forward seconds per example"], count = unit, len(splits["shared"])
    facts["criteria"] = {
        name: said[name] | price.facts | {"forward passes": price.seconds(count) / (unit * count)}
        for name, price in prices.items()
    }
    runs.save(out, "criteria", kept, facts | runs.provenance())
    seconds = facts["shared"]["seconds"] + facts["fresh"]["seconds"]
    print(f"{case.name} seed {case.seed}: {len(chosen)} criteria in {seconds:.0f} s, in {out}")


def _room(case: Case, chosen: list[Criterion], examples: int, held: int, asked: bool) -> Room:
    """How `held` bytes are shared out; BadInput if they were `asked` for and do not suffice."""
    needs = needs_of(chosen)
    least = least_bytes(case, needs, examples, memory.activations(case))
    memory.check_least(held, asked, least, f"{case.name}: scoring {examples:,} examples by these criteria")
    return room_for(case, needs, examples, held)


def _score(
    case: Case, chosen: list[Criterion], label: str, rows: list[int], size: int, room: Room, kept: Shelf
) -> tuple[Timed, dict[str, str]]:
    """Adds the criteria's saliencies of these rows to a shelf, under `label`.

    Returns how long what took, and what those criteria lack that fail or need evidence that cannot be gathered, by name.
    """
    timed, lost = Timed(len(rows)), dict[str, str]()
    shelf = Shelf(room.kept, kept.folder)
    evidence = collect(case, rows, size, needs_of(chosen), label, lost, room, shelf, timed.sources)
    needed = {criterion.name: sorted(criterion.needs & lost.keys()) for criterion in chosen}
    failed = {name: f"{names[0]}: {lost[names[0]]}" for name, names in needed.items() if names}
    for site in evidence:
        _score_site(
            [criterion for criterion in chosen if criterion.name not in failed], label, evidence[site], kept, timed, failed
        )
    return timed, failed


def _score_site(chosen: list[Criterion], label: str, seen: Evidence, kept: Shelf, timed: Timed, failed: dict[str, str]) -> None:
    for criterion in chosen:
        try:
            with timed.scoring(criterion):
                saliency = criterion(seen).cpu().numpy()
        except BadInput as error:
            failed[criterion.name] = f"a case on which it does not fail: {error}"
            continue
        kept.add(f"{label}/{criterion.name}/{seen.site.name}", saliency)


def _said(criterion: Criterion) -> dict[str, Any]:
    """The facts about a criterion that a run file stores."""
    return {
        "reduce": reduction_name(criterion.reduce),
        "unit": criterion.unit,
        "source": criterion.source,
        "says": (criterion.saliency.__doc__ or "").strip().splitlines()[0],
        "needs": sorted(criterion.needs),
        "order": criterion.order,
    }


if __name__ == "__main__":
    exit_with(main)
