"""What criteria cost, in forward passes over their examples: as measured when they were scored."""

import numpy as np

from pruning_oracle.reports.agreement.few_examples import control_examples
from pruning_oracle.reports.inputs.read import Run


def passes_of_criterion(runs: list[Run], criterion: str) -> float:
    """Forward passes that a criterion costs, the median over seeds; of the oracle on few examples from its measured time."""
    count = control_examples(criterion)
    return float(np.median([_few(run, count) if count else _own(run, criterion) for run in runs]))


def passes_of_oracle(run: Run) -> float:
    """Forward passes over its examples that the whole oracle took."""
    return _few(run, run.oracle.facts["examples"])


def _own(run: Run, criterion: str) -> float:
    return float(run.criteria.facts["criteria"][criterion]["forward passes"])


def _few(run: Run, count: int) -> float:
    facts = run.oracle.facts
    passing = run.criteria.facts["forward seconds per example"] * facts["examples"]
    return float(facts["seconds"] * count / facts["examples"] / passing)


def readable(passes: float) -> str:
    """As people read it."""
    return f"{passes:.1f}" if passes < 10 else f"{passes:.0f}"
