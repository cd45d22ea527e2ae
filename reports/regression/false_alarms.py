"""Counts how often `make regress` would fail although nothing got worse: each criterion against itself on other examples.

A split takes one random half of each run's shared and fresh examples as the baseline's and the other half as the new result's,
at every seed, and compares them as `make regress` does; every failure is a false alarm. This includes all the noise of new
examples. In real use both sides have the same examples, so that a criterion which did not change cannot fail at all.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pruning_oracle.bench import runs
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.regression.figures import figures
from pruning_oracle.reports.regression.significance import BETTER, WORSE, compare


def false_alarms(cases: list[list[Run]], splits: int, seed: int = 0) -> dict[str, int]:
    """Numbers of comparisons, and of those that found a criterion worse, or better, than itself; `cases` lists their runs."""
    counts = {"comparisons": 0, WORSE: 0, BETTER: 0}
    for verdict in (verdict for found in cases for verdict in _verdicts(found, splits, seed)):
        counts["comparisons"] += 1
        if verdict in counts:
            counts[verdict] += 1
    return counts


def _verdicts(found: list[Run], splits: int, seed: int) -> Iterator[str]:
    """The verdicts of comparing the halves of a case's runs, over all splits."""
    for split in range(splits):
        halves = [half(run, np.random.default_rng([seed, split, run.seed])) for run in found]
        first, second = ({run.seed: figures(run) for run in side} for side in zip(*halves, strict=True))
        yield from (finding.verdict for finding in compare(found[0].case, first, second))


def half(run: Run, random: np.random.Generator) -> tuple[Run, Run]:
    """Splits a run in two: one has a random half of its shared and fresh examples, the other has the other half."""
    sides: list[dict[str, np.ndarray]] = [{}, {}]
    counts = {"shared": run.oracle.facts["examples"], "fresh": run.criteria.facts["fresh"]["examples"]}
    for name, count in counts.items():
        order, middle = random.permutation(count), count // 2
        sides[0][name], sides[1][name] = np.sort(order[:middle]), np.sort(order[middle : 2 * middle])
    return _part(run, sides[0], counts), _part(run, sides[1], counts)


def _part(run: Run, rows: dict[str, np.ndarray], counts: dict[str, int]) -> Run:
    """The run on some `rows` of its shared and fresh examples; saliencies that do not have all examples stay as they are."""
    changes = {name: array[rows["shared"]] for name, array in run.oracle.arrays.items() if name.startswith("change/")}
    guesses: runs.Arrays = {}
    for name, array in run.criteria.arrays.items():
        examples = name.split("/", 1)[0]
        guesses[name] = array[rows[examples]] if len(array) == counts[examples] else array
    fresh = run.criteria.facts["fresh"] | {"examples": len(rows["fresh"])}
    return replace(
        run,
        oracle=replace(run.oracle, arrays=changes, facts=run.oracle.facts | {"examples": len(rows["shared"])}),
        criteria=replace(run.criteria, arrays=guesses, facts=run.criteria.facts | {"fresh": fresh}),
    )
