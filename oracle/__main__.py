"""Measures a case's oracle: the change in loss of every example when each feature map is removed, in nats."""

import time

import numpy as np

from bench import runs
from bench.command import fingerprint, options, prepare
from bench.errors import exit_with, unknown
from bench.evaluation import evaluate
from oracle.measure import CHECKED, ENGINES, measure, recheck


def main() -> None:
    """The command line."""
    parser = options("oracle", __doc__)
    parser.add_argument("--engine", default="replay", help=f"{' or '.join(ENGINES)} (default replay)")
    given = parser.parse_args()
    if given.engine not in ENGINES:
        raise unknown("engine", given.engine, ENGINES)
    case, out, facts = prepare("oracle", given)
    rows, _ = case.split(given.examples)
    start = time.perf_counter()
    engine = ENGINES[given.engine](case)
    oracle = measure(case, engine, rows, given.batch)
    seconds = round(time.perf_counter() - start, 2)
    difference = recheck(case, oracle, rows)
    test_loss, test_accuracy = evaluate(case, case.test, range(len(case.test)), given.batch)
    facts |= {
        "engine": given.engine,
        "examples": len(rows),
        "data": fingerprint(case.train, rows),
        "seconds": seconds,
        "recheck": {"triples": CHECKED, "largest difference": difference},
        "test": {"loss": test_loss, "accuracy": test_accuracy, "examples": len(case.test)},
    }
    arrays = {f"change/{name}": change.numpy() for name, change in oracle.changes.items()}
    arrays |= {"kept": oracle.kept.numpy(), "labels": oracle.labels.numpy(), "rows": np.array(rows)}
    runs.save(out, "oracle", arrays, facts | runs.provenance())
    size = f"{sum(site.maps for site in case.sites)} maps at {len(case.sites)} sites on {len(rows)} examples"
    print(f"{case.name} seed {case.seed}: {size} in {seconds:.0f} s, in {out}")
    print(f"measured again literally on {CHECKED} random (site, map, example) triples: largest difference {difference:.1g}")


if __name__ == "__main__":
    exit_with(main)
