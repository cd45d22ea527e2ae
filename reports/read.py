"""Reads the files of runs, and refuses to compare what does not belong together."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import runs
from bench.errors import BadInput
from bench.runs import REDUCTIONS, RunFile

EXAMPLES = ("shared", "fresh")


@dataclass(frozen=True)
class Run:
    """One case at one seed: what the oracle measured and what the criteria guessed."""

    case: str
    seed: int
    oracle: RunFile
    criteria: RunFile

    @property
    def sites(self) -> list[str]:
        """Site names in the network's order."""
        return [site["name"] for site in self.oracle.facts["sites"]]

    def change(self, site: str) -> np.ndarray:
        """The oracle at a site: change in loss, `[example, map]`, in nats."""
        return self.oracle.arrays[f"change/{site}"].astype(np.float64)

    def error(self, site: str) -> np.ndarray:
        """Standard error of the oracle on its own examples, `[map]` in nats; of an estimated one its unbiased estimates'."""
        zeros = np.zeros(self.oracle.arrays[f"change/{site}"].shape[1])
        return self.oracle.arrays.get(f"error/{site}", zeros).astype(np.float64)

    @property
    def estimated(self) -> str:
        """How much of an estimated oracle was measured, as a half sentence; nothing of a measured one."""
        known = self.oracle.facts.get("estimated")
        return f", the oracle estimated from {known['share']:.1%} of all pairs" if known else ""

    def saliency(self, criterion: str, site: str, examples: str) -> np.ndarray:
        """A criterion's saliency at a site, `[example, map]` or `[1, map]`, before its reduction."""
        return self.criteria.arrays[f"{examples}/{criterion}/{site}"].astype(np.float64)

    def reduction(self, criterion: str) -> Any:
        """How a criterion's saliency becomes its score."""
        return REDUCTIONS[self.criteria.facts["criteria"][criterion]["reduce"]]


def read(case: str, seed: int, root: Path) -> Run:
    """The run of a case at a seed, checked to be of one network, one set of examples and one commit."""
    folder = runs.folder(case, seed, root)
    oracle = runs.load(folder / "oracle.safetensors", "oracle")
    criteria = runs.load(folder / "criteria.safetensors", "criteria")
    for file in (oracle, criteria):
        if (file.facts["case"], file.facts["seed"]) != (case, seed):
            raise BadInput(f"{file.path} is of {file.facts['case']} seed {file.facts['seed']}, not of {case} seed {seed}")
    _same(oracle, criteria, "weights", oracle.facts["weights"], criteria.facts["weights"])
    _same(oracle, criteria, "shared examples", oracle.facts["data"], criteria.facts["shared"]["data"])
    _same(oracle, criteria, "sites", oracle.facts["sites"], criteria.facts["sites"])
    check_commits([oracle, criteria])
    return Run(case, seed, oracle, criteria)


def training(run: Run) -> RunFile | None:
    """The learning curve of the very network that was measured, where it was fine-tuned here."""
    path = runs.TRAINED / f"{run.case}-{run.seed}.curve"
    file = runs.load(path, "training") if path.is_file() else None
    return file if file and file.facts["weights"] == run.oracle.facts["weights"] else None


def check_commits(files: list[RunFile]) -> None:
    """Refuses files that were measured by different commits of this suite."""
    for file in files[1:]:
        _same(files[0], file, "commits", files[0].facts["commit"], file.facts["commit"])


def _same(first: RunFile, second: RunFile, what: str, one: Any, other: Any) -> None:
    if one != other:
        values = f" ({one} and {other})" if isinstance(one, (str, int)) else ""
        raise BadInput(f"{first.path} and {second.path} are of different {what}{values}: delete one and measure it again")


def check_alike(found: list[Run]) -> None:
    """Refuses seeds of a case that were not measured alike, since a report speaks of all of them at once."""
    for run in found[1:]:
        for what in ("examples", "precision", "engine", "sites"):
            _same(found[0].oracle, run.oracle, what, found[0].oracle.facts[what], run.oracle.facts[what])
        _same(found[0].criteria, run.criteria, "criteria", *(list(one.criteria.facts["criteria"]) for one in (found[0], run)))


def write_tables(run: Run, folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Writes a run's tables as CSV, and `tables.json`: which run files they were made from, and their checksums."""
    texts = {name: table.to_csv(index=False) for name, table in tables.items()}
    for name, text in texts.items():
        runs.write_atomically(folder / name, text)
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    runs.write_atomically(folder / "tables.json", json.dumps(_sources(run) | {"tables": checksums}, indent=1) + "\n")


def read_table(run: Run, path: Path) -> pd.DataFrame:
    """A table that `write_tables` wrote for this very run."""
    again = "`make report` or `python -m reports grade` makes it from the run's files"
    if not path.is_file() or not (path.parent / "tables.json").is_file():
        raise BadInput(f"no table with its provenance at {path}: {again}")
    try:
        facts = json.loads((path.parent / "tables.json").read_text())
        fits = facts["tables"][path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
        fits = fits and all(facts[name] == value for name, value in _sources(run).items())
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path.parent / 'tables.json'} is truncated or foreign: {again}") from error
    if not fits:
        raise BadInput(f"{path} was altered, or made from other run files than those beside it: delete it; {again}")
    return pd.read_csv(path, dtype={"scope": str, "site": str})


def _sources(run: Run) -> dict[str, str]:
    return {"oracle": run.oracle.checksum, "criteria": run.criteria.checksum, "commit": run.oracle.facts["commit"]}
