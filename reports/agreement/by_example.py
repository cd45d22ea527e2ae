"""What single examples say of maps: the change in the loss of each when a map is removed, and which need it most."""

import numpy as np
import pandas as pd

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.pictures import most_needed
from pruning_oracle.reports.agreement.by_class import name_of
from pruning_oracle.reports.inputs.read import change_of


def examples_of(oracle: RunFile, site: str, map_: int) -> pd.DataFrame:
    """A row per example, the one that needs the map most first, as `example_table` says; all examples."""
    change = change_of(oracle, site)[:, [map_]]
    return _rows(oracle, site, np.argsort(-change, axis=0, kind="stable"), np.array([map_]))


def example_table(oracle: RunFile) -> pd.DataFrame:
    """A row per map and each of the examples that need it most, sites in the network's order.

    Columns: `site`, `map`, `place` (1: needs it most), `example` (its place in the oracle's file, from 0), `row` (of the
    training data, where the file says it), `class` and `name` (where it has classes), `change` (in its loss, nats) and
    `measured` (false where an estimated oracle predicts it).
    """
    sites = [site["name"] for site in oracle.facts["sites"]]
    parts = [_rows(oracle, site, order, np.arange(order.shape[1])) for site in sites for order in [_order(oracle, site)]]
    return pd.concat(parts, ignore_index=True)


def _order(oracle: RunFile, site: str) -> np.ndarray:
    return most_needed(change_of(oracle, site))


def _rows(oracle: RunFile, site: str, order: np.ndarray, maps: np.ndarray) -> pd.DataFrame:
    """The rows of these examples, `[rank, map]`, of these maps."""
    examples, columns = order.T.ravel(), np.repeat(maps, len(order))
    table = {"site": site, "map": columns, "place": np.tile(np.arange(1, len(order) + 1), len(maps)), "example": examples}
    if (rows := oracle.arrays.get("rows")) is not None:
        table["row"] = rows[examples]
    labels = oracle.arrays.get("labels")
    if labels is not None and labels.shape == (oracle.facts["examples"],):
        table["class"] = labels[examples]
        table["name"] = [name_of(oracle, int(label)) for label in labels[examples]]
    measured = oracle.arrays.get(f"measured/{site}")
    known = np.ones(len(examples), bool) if measured is None else measured[examples, columns]
    return pd.DataFrame(table | {"change": change_of(oracle, site)[examples, columns], "measured": known})
