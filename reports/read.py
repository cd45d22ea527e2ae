"""Reads the files of runs, and refuses to compare what does not belong together."""

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


def check_commits(files: list[RunFile]) -> None:
    """Refuses files that were measured by different commits of this suite."""
    for file in files[1:]:
        _same(files[0], file, "commits", files[0].facts["commit"], file.facts["commit"])


def _same(first: RunFile, second: RunFile, what: str, one: Any, other: Any) -> None:
    if one != other:
        values = f" ({one} and {other})" if isinstance(one, str) else ""
        raise BadInput(f"{first.path} and {second.path} are of different {what}{values}: delete one and measure it again")


def read_table(path: Path) -> pd.DataFrame:
    """A table that `python -m reports grade` wrote."""
    if not path.is_file():
        raise BadInput(f"no table at {path}: `make report` makes it from the run's files")
    return pd.read_csv(path, dtype={"scope": str, "site": str})
