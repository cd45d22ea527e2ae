"""Stage 2 on one case: scores its maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.fill_choice import split_beside, with_fill
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.fills import prepared
from pruning_oracle.bench.runs.shelf import Shelf
from pruning_oracle.bench.scores import reduction_name
from pruning_oracle.bench.setting import (
    Finished,
    Resources,
    fingerprint,
    finished_before,
    network_facts,
    open_for_measuring,
)
from pruning_oracle.criteria.cost import Timed, measure_costs
from pruning_oracle.criteria.criterion import Criterion, Evidence, choose_criteria, code_of, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.room import Room, least_bytes, room_for

SOURCES = (
    "criteria/evidence/collect.py",
    "criteria/cost.py",
    "bench/network/cost.py",
)  # the modules whose code determines the numbers, beside the criteria's own files


def run_criteria(
    case: Case,
    out: Path,
    criteria: Sequence[str | Criterion],
    choice: ExampleChoice,
    resources: Resources,
    fill: str = ZERO,
) -> Finished:
    """Writes what criteria (see `choose_criteria`) say of a case to `out`, unless that is up to date.

    What is gathered at gates is of maps whose place a `fill` takes (see `FILLS`).
    Criteria that are unavailable on this case are left out, with the reason in the facts. BadInput if one that was asked for
    by itself is, or all are.
    """
    chosen = choose_criteria(criteria)
    case = with_fill(case, fill, choice)
    splits = dict(zip(("shared", "fresh"), split_beside(case, choice), strict=True))
    opened = open_for_measuring(case, out, runs.run_file("criteria"), resources, SOURCES, code_of(chosen))
    case, (batch, held) = opened.case, (opened.setting[name] for name in ("batch", "memory"))
    asked = [word.name if isinstance(word, Criterion) else word for word in criteria]
    users = {Path(word).resolve() for word in asked if word.endswith(".py")}
    named = [*asked, *(one.name for one in chosen if one.file.resolve() in users)]  # a mistake in them is the user's
    chosen, missing = fitting(case, chosen, asked)
    data = {name: fingerprint(case.train, rows) for name, rows in splits.items()}
    said = {criterion.name: _said(criterion) for criterion in chosen}
    counts = {name: {key: of[key] for key in of if key != "says"} for name, of in said.items()}
    setting = opened.setting | choice.facts(case) | {"data": data, "criteria": counts, "left_out_criteria": missing}
    if before := finished_before(out, "criteria", setting):
        return before
    case = prepared(case, [row for rows in splits.values() for row in rows], batch)
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting)}
    room = _room(case, chosen, len(splits["shared"]), held, resources.memory is not None)
    kept = Shelf(room.kept, out.parent)
    for name, rows in splits.items():
        start = time.perf_counter()
        timed, failed = _score(case, chosen, name, rows, batch, room, kept)
        chosen, missing = _others(case, chosen, failed, named), missing | failed
        kept.add(f"{name}/rows", np.array(rows))
        facts[name] = {"examples": len(rows), "data": data[name], "seconds": round(time.perf_counter() - start, 2)}
    kept.drop(lambda name: name.split("/")[1] in missing)
    facts["left_out_criteria"] = missing
    # of what was timed, the last split counts: nothing is new to it
    prices, unit = measure_costs(case, chosen, splits["shared"], batch, timed, room)
    facts["forward seconds per example"], count = unit, len(splits["shared"])
    facts["criteria"] = {
        name: said[name] | price.facts | {"forward passes": price.seconds(count) / (unit * count)}
        for name, price in prices.items()
    }
    facts |= runs.provenance()
    runs.save(out, "criteria", kept, facts)
    return Finished(out, facts, False)


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
    return found


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
