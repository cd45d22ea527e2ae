"""Joint losses of one case: measures what removing sets of maps costs, checks a few again, and writes the run file."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet, checked_sets
from pruning_oracle.bench.repair.after_removal import ready_for
from pruning_oracle.bench.repair.names import EXAMPLES, REPAIRS
from pruning_oracle.bench.repair.passes import other_examples
from pruning_oracle.bench.setting import Finished, Resources, fingerprint
from pruning_oracle.oracle.measurement import opened
from pruning_oracle.oracle.recheck import CHECKED
from pruning_oracle.oracle.sets.measure import SET_ENGINES, measure_sets, recheck_sets
from pruning_oracle.oracle.sets.repaired import Mending, measure_repaired

# the modules whose code determines the numbers in a file of joint losses
SOURCES = ("oracle/sets/measure.py", "bench/network/cost.py", "bench/evaluation.py")
REPAIRING = ("oracle/sets/repaired.py",)  # and of those after a repair


def run_sets(
    case: Case,
    out: Path,
    sets: Sequence[MapSet],
    choice: ExampleChoice,
    resources: Resources,
    engine: str = "replay",
    repair: str = "none",
    repair_examples: int | None = None,
    fill: str = ZERO,
) -> Finished:
    """Writes the joint losses of sets to `out`, unless that is up to date; a run that was interrupted goes on.

    The setting is the sets, `choice`, `resources`, the name of an engine (a key of `SET_ENGINES`), a repair, after which
    losses are taken once more, with the number of examples that it sees, and what stands in the place of removed maps (see
    `FILLS`). BadInput names what is wrong, before anything is measured.
    """
    if engine not in SET_ENGINES:
        raise unknown("engine", engine, SET_ENGINES)
    if REPAIRS.get(repair) and fill != ZERO:
        raise BadInput(
            f"--repair {repair} with --fill {fill}: a repair is of a network whose maps are deleted; give one of them"
        )
    seen = _seen_by_repair(case, choice, repair, repair_examples)
    sets = checked_sets(case, sets)
    named = [one.named for one in sets]
    asked: dict[str, Any] = {"engine": engine, "sets digest": hashlib.sha256(json.dumps(named).encode()).hexdigest()}
    if seen:
        asked |= {"repair": repair, "repair examples": len(seen), "repair data": fingerprint(case.train, seen)}
    of = opened(case, out, "sets", choice, resources, SOURCES + (REPAIRING if seen else ()), asked, fill)
    if before := of.before():
        return before
    of = of.filled()
    facts = of.facts() | {"sets": named}
    with of.units() as units:
        made = SET_ENGINES[engine](of.case, of.held, units.choices)
        found = measure_sets(of.case, made, sets, of.rows, of.batch, units)
        difference = recheck_sets(of.case, found, sets, of.rows)
        facts |= {"choices": dict(units.choices), "recheck": {"pairs": CHECKED, "largest difference": difference}}
        arrays = {"joint": found.joint.numpy(), "kept": found.kept.numpy(), "rows": np.array(of.rows)}
        arrays |= {} if found.labels is None else {"labels": found.labels.numpy()}
        facts |= {"seconds": round(found.seconds, 2)}
        if seen:
            mending = Mending(of.case, repair, seen, of.held)
            repaired, seconds = measure_repaired(mending, sets, of.rows, of.batch, found.kept, units)
            arrays |= {"repaired": repaired.numpy(), "repair rows": np.array(seen)}
            facts |= {"repair seconds": round(seconds, 2)}
        return of.save(arrays, facts)


def _seen_by_repair(case: Case, choice: ExampleChoice, repair: str, examples: int | None) -> list[int]:
    """The rows of the training examples that a repair sees, none of those that are measured; none without a repair."""
    ready_for(case, repair)
    if not REPAIRS[repair]:
        if examples is not None:
            raise BadInput("--repair-examples is of a repair: --repair says which")
        return []
    return other_examples(case, EXAMPLES if examples is None else examples, choice.split(case)[0])
