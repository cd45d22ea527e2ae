"""Joint losses of one case: measures what removing sets of maps costs, checks a few again, and writes the run file."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import unknown
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet, checked_sets
from pruning_oracle.bench.setting import Finished, Resources
from pruning_oracle.oracle.measurement import opened
from pruning_oracle.oracle.recheck import CHECKED
from pruning_oracle.oracle.sets.measure import SET_ENGINES, measure_sets, recheck_sets

# the modules whose code determines the numbers in a file of joint losses
SOURCES = ("oracle/sets/measure.py", "bench/network/cost.py", "bench/evaluation.py")


def run_sets(
    case: Case,
    out: Path,
    sets: Sequence[MapSet],
    choice: ExampleChoice,
    resources: Resources,
    engine: str = "replay",
    fill: str = ZERO,
) -> Finished:
    """Writes the joint losses of sets to `out`, unless that is up to date; a run that was interrupted goes on.

    The setting is the sets, `choice`, `resources`, the name of an engine (a key of `SET_ENGINES`), and what stands in the place
    of removed maps (see `FILLS`). BadInput names what is wrong, before anything is measured.
    """
    if engine not in SET_ENGINES:
        raise unknown("engine", engine, SET_ENGINES)
    sets = checked_sets(case, sets)
    named = [one.named for one in sets]
    asked = {"engine": engine, "sets digest": hashlib.sha256(json.dumps(named).encode()).hexdigest()}
    of = opened(case, out, "sets", choice, resources, SOURCES, asked, fill)
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
        return of.save(arrays, facts | {"seconds": round(found.seconds, 2)})
