"""What a coarser precision does to the oracle's ranks: Spearman with the float64 oracle, and what it takes."""

import numpy as np
import pytest
import torch
from scipy import stats

from pruning_oracle.bench.device import finish
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.scores import REDUCTIONS
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure

from timings.networks import embedded

ORACLES = {"oracle_abs": "abs_mean", "oracle_loss": "mean"}
COARSE = ["float64", "float32", *(["tf32"] if torch.cuda.is_available() else []), "bfloat16"]
exact: dict[str, dict[str, torch.Tensor]] = {}


@pytest.mark.parametrize("precision", COARSE)
@pytest.mark.parametrize("name", embedded)
def test_precision(benchmark, name, precision):
    """The whole oracle of an embedded case, seed 0, on its own number of examples; float64 comes first."""
    case = load(name, 0).to("auto", precision)
    rows, _ = case.split()

    def whole():
        found = measure(case, Replay(case), rows, 64)
        finish()
        return found

    benchmark.group = f"{name} precision"
    changes = {site: change.double() for site, change in benchmark.pedantic(whole, rounds=1).changes.items()}
    reference = exact.setdefault(name, changes)
    within = {oracle: [agree(changes[site], reference[site], oracle) for site in changes] for oracle in ORACLES}
    benchmark.extra_info |= {
        "network": name,
        "precision": precision,
        "examples": len(rows),
        "maps": sum(site.maps for site in case.sites),
        "spearman, mean over sites": {oracle: float(np.mean(values)) for oracle, values in within.items()},
        "spearman, lowest site": {oracle: float(np.min(values)) for oracle, values in within.items()},
        "largest difference, nats": max(float((changes[site] - reference[site]).abs().max()) for site in changes),
    }


def agree(measured, reference, oracle):
    """Spearman of one site's scores."""
    reduce = REDUCTIONS[ORACLES[oracle]]
    return stats.spearmanr(reduce(measured), reduce(reference)).statistic
