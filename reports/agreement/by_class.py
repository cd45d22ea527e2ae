"""What single classes say of maps: the mean change in loss of a class's examples, with an interval that knows how few they are.

The interval is Student's, for the mean over further examples of the class: with n examples it has n − 1 degrees of freedom, so
two examples give one that is wide, and a single one gives none. Where a map's change is skewed, as when few examples need it,
a small class covers less: of exponential changes, intervals of five examples contain the mean in 88 of 100 cases, not 95.
An estimated oracle has predictions in place of examples that were not measured, whose error within a class is unknown: the
mean counts them, and there is an interval only where every example of the class was measured.
"""

import numpy as np
import pandas as pd
from scipy import special

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.reports.inputs.read import change_of

SURE = 0.975  # quantile of Student's t of a 95 % interval


def class_changes(
    change: np.ndarray, labels: np.ndarray, measured: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean change in loss of the examples of each class, and its 95 % interval by Student's t.

    Args:
        change: change in loss, `[example, map]` in nats.
        labels: the class of every example, `[example]`.
        measured: which changes are no predictions, `[example, map]`; None: all.

    Returns:
        The classes that have an example, `[class]`; `[map, class, 3]`: mean, low and high, the interval undefined (NaN) where
        the class has a single example or one that was not measured; and how many of the class were measured, `[map, class]`.
    """
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means, halves, known = (np.full((change.shape[1], len(classes)), np.nan) for _ in range(3))
    for place, count in enumerate(counts):
        own = change[places == place]
        means[:, place] = own.mean(0)
        known[:, place] = count if measured is None else measured[places == place].sum(0)
        if count > 1:
            reach = special.stdtrit(count - 1, SURE)
            halves[:, place] = np.where(known[:, place] == count, reach * own.std(0, ddof=1) / np.sqrt(count), np.nan)
    return classes, np.stack([means, means - halves, means + halves], -1), known.astype(int)


def labels_of(oracle: RunFile) -> np.ndarray:
    """The class of every example of an oracle's file, `[example]`; BadInput if it does not hold them."""
    labels = oracle.arrays.get("labels")
    if labels is None or labels.shape != (oracle.facts["examples"],) or labels.dtype.kind not in "iu":
        raise BadInput(f"{oracle.path} holds no classes: labels are not one whole number for each example")
    return labels


def name_of(oracle: RunFile, label: int) -> str:
    """What a class is called: its name where the file says it, else its number."""
    names = oracle.facts.get("class names") or []
    return str(names[label]) if 0 <= label < len(names) else str(label)


def class_table(oracle: RunFile) -> pd.DataFrame:
    """A row per map and class that has an example, sites in the network's order.

    Columns: `site`, `map`, `class` (the label), `name`, `n` (examples of the class), `measured` (how many of them were, all
    unless the oracle is estimated), `change` (their mean change in loss, nats) and its 95 % interval from `low` to `high`.
    BadInput if the file does not hold the examples' classes.
    """
    labels, parts = labels_of(oracle), []
    for site in [site["name"] for site in oracle.facts["sites"]]:
        classes, values, known = class_changes(change_of(oracle, site), labels, oracle.arrays.get(f"measured/{site}"))
        maps, count = known.shape
        part = {"site": site, "map": np.repeat(np.arange(maps), count), "class": np.tile(classes, maps)}
        part["name"] = np.tile(np.array([name_of(oracle, int(label)) for label in classes], object), maps)
        part["n"] = np.tile(np.bincount(np.searchsorted(classes, labels)), maps)
        flat = values.reshape(-1, 3)
        parts.append(
            pd.DataFrame(part | {"measured": known.ravel(), "change": flat[:, 0], "low": flat[:, 1], "high": flat[:, 2]})
        )
    return pd.concat(parts, ignore_index=True)


def maps_by_class(table: pd.DataFrame, maps: int) -> pd.DataFrame:
    """The rows of the maps that each class needs most, so many of each class, classes in the order of their labels."""
    return _first(table, "class", maps).sort_values("class", kind="stable", ignore_index=True)


def classes_by_map(table: pd.DataFrame, maps: int) -> pd.DataFrame:
    """The row of the class that needs it most of each of so many maps, the maps first that some class needs most."""
    return _first(table, ["site", "map"], 1).head(maps).reset_index(drop=True)


def _first(table: pd.DataFrame, by: str | list[str], count: int) -> pd.DataFrame:
    """The `count` rows of the largest changes of each group, largest first over all."""
    return table.sort_values("change", ascending=False, kind="stable").groupby(by, sort=False).head(count)
