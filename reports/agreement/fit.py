"""Fits the weights of the criterion `weighted_rank`: for every case from the oracles of the other cases alone."""

import json
from pathlib import Path

import numpy as np
from scipy import optimize, stats

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import WEIGHTS_OF_CRITERIA
from pruning_oracle.bench.runs.provenance import PROJECT, ROOT
from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.reports.inputs.read import Run

FILE = ROOT / "criteria" / "combination.json"


def fit_weights(cases: dict[str, list[Run]], file: Path = FILE) -> dict[str, object]:
    """Writes and returns the weights, one per member, not negative and of sum 1, for every case and for any other."""
    if file == FILE and not PROJECT.is_file():
        raise BadInput("an installed copy is not written into: fit in a checkout")
    members = json.loads(file.read_text("utf-8"))["members"]
    if len(cases) < 2:
        raise BadInput(
            f"a fit needs two cases at least, since a case is scored with the weights of others; given: {list(cases)}"
        )
    tables = {case: [_ranks(run, members) for run in found] for case, found in cases.items()}
    without = {case: _weights([part for other, parts in tables.items() if other != case for part in parts]) for case in cases}
    said = {"members": members, "all": _weights([part for parts in tables.values() for part in parts]), "without": without}
    write_atomically(file, json.dumps(said, indent=1) + "\n", WEIGHTS_OF_CRITERIA)
    return said


def _ranks(run: Run, members: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of all maps within their sites, from −½ to ½: by each member on fresh examples, and by the oracle."""
    given, wanted = [], []
    for site in run.sites:
        change = run.change(site)
        scores = [run.reduction(name)(run.saliency(name, site, "fresh")) for name in members]
        ranks = (stats.rankdata([*scores, ORACLES["oracle_abs"](change)], axis=1) - 1) / max(1, change.shape[1] - 1) - 0.5
        given.append(ranks[:-1])
        wanted.append(ranks[-1])
    return np.concatenate(given, 1), np.concatenate(wanted)


def _weights(parts: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Least squares over all runs, each counting the same however many maps it has."""
    given = np.concatenate([ranks.T / np.sqrt(len(wanted)) for ranks, wanted in parts])
    wanted = np.concatenate([wanted / np.sqrt(len(wanted)) for _, wanted in parts])
    found = optimize.nnls(given, wanted)[0]
    return [round(float(weight), 4) for weight in found / max(found.sum(), 1e-12)]
