"""Measures a case's oracle: the change in loss of every example when each feature map is removed, in nats."""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from bench import runs
from bench.case import Case, find
from bench.command import fingerprint, options, prepare
from bench.errors import exit_with, unknown
from bench.evaluation import evaluate
from oracle.measure import CHECKED, ENGINES, Oracle, measure, recheck
from oracle.progress import logged
from oracle.units import Units

IDENTITY = ("versions", "commit")  # of the provenance, what could change a number


def main() -> None:
    """The command line."""
    parser = options("oracle", __doc__)
    parser.add_argument("--engine", default="replay", help=f"{' or '.join(ENGINES)} (default replay)")
    given = parser.parse_args()
    if given.engine not in ENGINES:
        raise unknown("engine", given.engine, ENGINES)
    case, out, facts = prepare("oracle", given)
    rows, _ = case.split(given.examples)
    facts |= {"engine": given.engine, "examples": len(rows), "data": fingerprint(case.train, rows)}
    with Units(out, _setting(given, facts)).hold() as units, logged(out.with_suffix(".log")):
        engine = ENGINES[given.engine](case, given.memory, units.choices)
        oracle = measure(case, engine, rows, given.batch, units)
        difference = recheck(case, oracle, rows)
        facts |= {"choices": dict(units.choices), "recheck": {"triples": CHECKED, "largest difference": difference}}
        _save(case, given, out, facts, oracle, rows)
    size = f"{sum(site.maps for site in case.sites)} maps at {len(case.sites)} sites on {len(rows)} examples"
    print(f"{case.name} seed {case.seed}: {size} in {oracle.seconds:.0f} s, in {out}")
    print(f"measured again literally on {CHECKED} random (site, map, example) triples: largest difference {difference:.1g}")


def _setting(given: argparse.Namespace, facts: dict[str, Any]) -> dict[str, Any]:
    """All that could change a number: units of another setting are not used."""
    source = Path(find(given.case).file).read_bytes()  # the loss shows neither in the weights nor in the data
    known = runs.provenance()
    return facts | {name: known[name] for name in IDENTITY} | {"source": hashlib.sha256(source).hexdigest()}


def _save(case: Case, given: argparse.Namespace, out: Path, facts: dict[str, Any], oracle: Oracle, rows: list[int]) -> None:
    loss, accuracy = evaluate(case, case.test, range(len(case.test)), given.batch)
    facts |= {"seconds": round(oracle.seconds, 2), "test": {"loss": loss, "accuracy": accuracy, "examples": len(case.test)}}
    arrays = {f"change/{name}": change.numpy() for name, change in oracle.changes.items()}
    arrays |= {"kept": oracle.kept.numpy(), "labels": oracle.labels.numpy(), "rows": np.array(rows)}
    runs.save(out, "oracle", arrays, facts | runs.provenance())


if __name__ == "__main__":
    exit_with(main)
