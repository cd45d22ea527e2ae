"""Columns about every map of a run: its change in loss over examples, by class, and the examples that need it most."""

import numpy as np

from pruning_oracle.bench.runs.pictures import most_needed
from pruning_oracle.reports.agreement.by_class import class_changes
from pruning_oracle.reports.agreement.tables import oracle_maps
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.page.content.pack import Columns

BINS = 31  # of the histogram of a map's change
CLASSES = 12  # at most, those that need a map most
NEIGHBOURS = 5  # maps of its site that the same examples need


def columns_of_maps(run: Run) -> Columns:
    """Columns with a row per map, sites in the network's order; examples are numbered as in the oracle's file.

    `change` [map, 3]: mean over examples, nats, and its 95 % interval; `score` [criterion, map] on fresh examples;
    `histogram` [map, bin] counts examples between `edges` [map, 2]; `needed` [map, rank] the examples whose loss rises most,
    by `needed_change`; `alike` [map, rank] the maps of its site (numbered within it) whose change goes along with its own over
    examples, by their correlation `alike_by`; `rows` and `labels` [example], where they are known; and with labels
    `classes` [class, 2], labels and numbers of examples, and `class_of` [map, rank], places in `classes`, with `class_change`
    [map, rank, 3] and `class_measured` [map, rank], how many of the class an estimated oracle measured.
    """
    changes = [run.change(site) for site in run.sites]
    whole = np.concatenate(changes, 1)
    table = oracle_maps(run.oracle)
    names = list(run.criteria.facts["criteria"])
    scores = [[run.reduction(name)(run.saliency(name, site, "fresh")) for site in run.sites] for name in names]
    columns = {
        "change": table[["oracle_loss", "oracle_loss_low", "oracle_loss_high"]].to_numpy(),
        "score": np.array([np.concatenate(parts) for parts in scores]).reshape(len(names), whole.shape[1]),
    }
    return columns | _histograms(whole) | _needed(whole) | _neighbours(changes) | _labelled(run, whole)


def _histograms(change: np.ndarray) -> Columns:
    low, high = change.min(0), change.max(0)
    width = np.where(high > low, high - low, 1)
    places = np.minimum((BINS * (change - low) / width).astype(int), BINS - 1)
    counts = np.stack([(places == place).sum(0) for place in range(BINS)], 1)
    return {"histogram": counts, "edges": np.stack([low, low + width], 1)}


def _needed(change: np.ndarray) -> Columns:
    order = most_needed(change)
    return {"needed": order.T, "needed_change": np.take_along_axis(change, order, 0).T}


def _neighbours(changes: list[np.ndarray]) -> Columns:
    """Of every map the others of its site by correlation over examples; −1 where there are fewer, or none is defined."""
    places, values = list[np.ndarray](), list[np.ndarray]()
    for change in changes:
        centred = change - change.mean(0)
        length = np.sqrt((centred**2).sum(0))
        unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
        likeness = unit.T @ unit
        np.fill_diagonal(likeness, -2)
        order = np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]
        value = np.take_along_axis(likeness, order, 1)
        empty = ((0, 0), (0, NEIGHBOURS - order.shape[1]))
        places.append(np.pad(np.where(value > -2, order, -1), empty, constant_values=-1))
        values.append(np.pad(value, empty))
    return {"alike": np.concatenate(places), "alike_by": np.concatenate(values)}


def _labelled(run: Run, change: np.ndarray) -> Columns:
    arrays = run.oracle.arrays
    columns = {name: arrays[name].astype(np.int64) for name in ("rows", "labels") if name in arrays}
    if columns.get("labels", np.empty((0, 0))).shape != (len(change),):
        return {name: column for name, column in columns.items() if name == "rows"}
    masks = [run.oracle.arrays[name] for site in run.sites if (name := f"measured/{site}") in run.oracle.arrays]
    measured = np.concatenate(masks, 1) if len(masks) == len(run.sites) else None
    classes, means, counts = class_changes(change, columns["labels"], measured)
    order = np.argsort(-means[..., 0], axis=1, kind="stable")[:, :CLASSES]
    return columns | {
        "classes": np.stack([classes, np.bincount(np.searchsorted(classes, columns["labels"]))], 1),
        "class_of": order,
        "class_change": np.take_along_axis(means, order[..., None], 1),
        "class_measured": np.take_along_axis(counts, order, 1),
    }
