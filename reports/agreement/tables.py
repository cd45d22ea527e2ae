"""The tables of a run: agreement, and a row per map with what the oracle and the criteria say of it."""

from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.reports.agreement.few_examples import grade_few_examples
from pruning_oracle.reports.agreement.grade import grade
from pruning_oracle.reports.agreement.resampling import draws, noise
from pruning_oracle.reports.inputs.read import EXAMPLES, Run, change_of, error_of

MAPS_TABLES = dict(zip(EXAMPLES, ("maps.csv", "maps-fresh.csv"), strict=True))


def tables_of(run: Run) -> dict[str, pd.DataFrame]:
    """All tables of a run, by the names of their files."""
    return {"agreement.csv": agreement_table(run)} | {name: maps_table(run, of) for of, name in MAPS_TABLES.items()}


def agreement_table(run: Run) -> pd.DataFrame:
    """The agreement of every criterion, and of the oracle on fewer examples where the oracle is not itself estimated."""
    return pd.concat([grade(run)] if run.estimated else [grade(run), grade_few_examples(run)], ignore_index=True)


def maps_table(run: Run, examples: str) -> pd.DataFrame:
    """One row per map: what `oracle_maps` gives, and every criterion's score on `shared` or on `fresh` examples."""
    table = oracle_maps(run.oracle)
    for name in run.criteria.facts["criteria"]:
        scores = [run.reduction(name)(run.saliency(name, site, examples)) for site in run.sites]
        table[name] = np.concatenate(scores)
    return table


def oracle_maps(oracle: RunFile) -> pd.DataFrame:
    """One row per map of an oracle's file, in nats: its score by each oracle, and the 95 % interval of `oracle_loss`."""
    parts = []
    weights = draws(oracle.facts["examples"], oracle.facts["seed"])
    for site in [site["name"] for site in oracle.facts["sites"]]:
        change = change_of(oracle, site)
        off = noise([error_of(oracle, site)], len(weights))[0]
        low, high = np.quantile(weights @ change + off, [0.025, 0.975], axis=0)
        columns: dict[str, Any] = {"site": site, "map": np.arange(change.shape[1])}
        columns |= {name: ORACLES[name](change) for name in ("oracle_loss", "oracle_abs")}
        parts.append(pd.DataFrame(columns | {"oracle_loss_low": low, "oracle_loss_high": high}))
    return pd.concat(parts, ignore_index=True)
