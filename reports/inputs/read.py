"""Reads the files of runs, and refuses to compare what does not belong together."""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.code_digest import depends_on
from pruning_oracle.bench.runs.kinds import AGREEMENT, MAPS, TABLES
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.bench.scores import REDUCTIONS
from pruning_oracle.reports.inputs.shapes import CRITERIA, ORACLE, SHOWN_CRITERIA, SHOWN_ORACLE, TRAINING, check_arrays
from pruning_oracle.reports.inputs.site_names import with_shown_names
from pruning_oracle.reports.inputs.tables import csv_text, read_csv

EXAMPLES = ("shared", "fresh")
ZERO = "zero"  # the fill of most oracles, and of all that were measured before there were others
SHIPPED = "shipped"  # the fact of an oracle that ships with the suite: weights and examples vouch for it, whatever the code
# what computes the tables
GRADER = ("reports/agreement/tables.py", "reports/inputs/read.py")
WRITTEN = {"agreement.csv": AGREEMENT, "maps.csv": MAPS, "maps-fresh.csv": MAPS, "tables.json": TABLES}


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
        return change_of(self.oracle, site)

    def error(self, site: str) -> np.ndarray:
        """Standard error of the oracle on its own examples, `[map]` in nats; of an estimated one its unbiased estimates'."""
        return error_of(self.oracle, site)

    @property
    def estimated(self) -> str:
        """How much of an estimated oracle was measured, as a half sentence; nothing of a measured one."""
        known = self.oracle.facts.get("estimated")
        return f", the oracle estimated from {known['share']:.1%} of all pairs" if known else ""

    @property
    def filled(self) -> str:
        """What stands in a removed map's place, as a half sentence; nothing where zeros do."""
        return filled_by(self.oracle)

    def saliency(self, criterion: str, site: str, examples: str) -> np.ndarray:
        """A criterion's saliency at a site, `[example, map]` or `[1, map]`, before its reduction."""
        return self.criteria.arrays[f"{examples}/{criterion}/{site}"].astype(np.float64)

    def reduction(self, criterion: str) -> Any:
        """How a criterion's saliency becomes its score."""
        return REDUCTIONS[self.criteria.facts["criteria"][criterion]["reduce"]]


def change_of(oracle: RunFile, site: str) -> np.ndarray:
    """What an oracle's file says of a site: change in loss, `[example, map]`, in nats."""
    return oracle.arrays[f"change/{site}"].astype(np.float64)


def error_of(oracle: RunFile, site: str) -> np.ndarray:
    """Standard error of an oracle on its own examples, `[map]` in nats; of an estimated one its unbiased estimates'."""
    zeros = np.zeros(oracle.arrays[f"change/{site}"].shape[1])
    return oracle.arrays.get(f"error/{site}", zeros).astype(np.float64)


def fill_of(file: RunFile) -> dict[str, Any]:
    """What a run file says of what stands in a removed map's place; zeros do in one that says nothing."""
    return dict(file.facts.get("fill", {"name": ZERO}))


def filled_by(file: RunFile) -> str:
    """What stands in a removed map's place, as a half sentence; nothing where zeros do."""
    fill = fill_of(file)
    return "" if fill["name"] == ZERO else f", fill {fill['name']} from {fill.get('examples', 'some')} others"


def read_shown_run(case: str, seed: int, root: Path) -> Run:
    """The run of a case at a seed as `read_run` gives it, checked to hold what a page shows of it, too."""
    return shown_run(read_run(case, seed, root))


def shown_run(run: Run) -> Run:
    """Returns a run, checked to hold what a page shows of it, too."""
    checked_facts(run.oracle, SHOWN_ORACLE)
    checked_facts(run.criteria, SHOWN_CRITERIA)
    check_arrays(run.oracle, run.criteria, whole=True)
    return run


def read_run(case: str, seed: int, root: Path) -> Run:
    """The run of a case at a seed, checked to be of one network, one set of examples and one definition of the case."""
    folder = runs.folder(case, seed, root)
    oracle, criteria = (runs.load(folder / f"{kind}.safetensors", kind) for kind in ("oracle", "criteria"))
    return joined_run(oracle, criteria, case, seed)


def joined_run(oracle: RunFile, criteria: RunFile, case: str, seed: int) -> Run:
    """The run of these two files, checked as `read_run` says."""
    checked_facts(oracle, ORACLE)
    checked_facts(criteria, CRITERIA)
    for file in (oracle, criteria):
        if (file.facts["case"], file.facts["seed"]) != (case, seed):
            raise BadInput(f"{file.path} is of {file.facts['case']} seed {file.facts['seed']}, not of {case} seed {seed}")
    _same(oracle, criteria, "weights", oracle.facts["weights"], criteria.facts["weights"])
    _same(oracle, criteria, "shared examples", oracle.facts["data"], criteria.facts["shared"]["data"])
    _same(oracle, criteria, "fills", *(fill_of(file)["name"] for file in (oracle, criteria)))
    _same(oracle, criteria, "examples that fills are taken from", *(fill_of(file) for file in (oracle, criteria)))
    _same(oracle, criteria, "sites", oracle.facts["sites"], criteria.facts["sites"])
    if not oracle.facts.get(SHIPPED):
        _same(oracle, criteria, "sources of the case", *(_sources(file)["case"] for file in (oracle, criteria)))
    check_arrays(oracle, criteria, whole=False)
    return Run(case, seed, with_shown_names(oracle, 1), with_shown_names(criteria, 2))


def learning_curve(run: Run) -> RunFile | None:
    """The learning curve of the very network that was measured, where it was fine-tuned here."""
    path = runs.TRAINED / f"{run.case}-{run.seed}.curve"
    file = checked_facts(runs.load(path, "training"), TRAINING) if path.is_file() else None
    return file if file and file.facts["weights"] == run.oracle.facts["weights"] else None


def check_sources(files: list[RunFile], criteria: bool = True) -> None:
    """Refuses files of one kind that were measured by different code of this suite, or with different libraries.

    `criteria` tells whether the files are of the same criteria, whose code must then be the same too.
    """
    for file in files[1:]:
        for part in ("stage", "criteria") if criteria else ("stage",):
            _same(files[0], file, "sources", *(_sources(of)[part] for of in (files[0], file)))
        shared = files[0].facts["libraries"].keys() & file.facts["libraries"].keys()
        _same(files[0], file, "libraries", *({name: of.facts["libraries"][name] for name in shared} for of in (files[0], file)))


def _sources(file: RunFile) -> dict[str, str]:
    """Digests of the code that measured a file: of the stage, of the case's definition, and of the criteria."""
    if "sources" not in file.facts:
        raise BadInput(f"{file.path} was measured by an older version of this suite: measure it again")
    return dict(file.facts["sources"])


def _same(first: RunFile, second: RunFile, what: str, one: Any, other: Any) -> None:
    if one != other:
        values = f" ({one} and {other})" if isinstance(one, (str, int)) else ""
        raise BadInput(f"{first.path} and {second.path} are of different {what}{values}: delete one and measure it again")


def with_common_criteria(found: list[Run]) -> list[Run]:
    """The runs of several seeds without the criteria that were unavailable at one of them, which join those left out."""
    lost = {name: why for run in found for name, why in run.criteria.facts["left_out_criteria"].items()}

    def without(run: Run) -> Run:
        kept = {name: of for name, of in run.criteria.facts["criteria"].items() if name not in lost}
        facts = run.criteria.facts | {"criteria": kept, "left_out_criteria": lost}
        return dataclasses.replace(run, criteria=dataclasses.replace(run.criteria, facts=facts))

    return [without(run) for run in found]


def check_alike(found: list[Run]) -> None:
    """Refuses seeds of a case that were not measured alike, since a report speaks of all of them at once."""
    for run in found[1:]:
        for what in ("examples", "precision", "engine", "sites"):
            _same(found[0].oracle, run.oracle, what, found[0].oracle.facts[what], run.oracle.facts[what])
        _same(found[0].oracle, run.oracle, "fills", *(fill_of(one.oracle)["name"] for one in (found[0], run)))
        _same(found[0].criteria, run.criteria, "criteria", *(list(one.criteria.facts["criteria"]) for one in (found[0], run)))


def write_tables(run: Run, folder: Path, tables: dict[str, pd.DataFrame], source: dict[str, Any]) -> None:
    """Writes a run's tables as CSV, and `tables.json`: their source, which run files they were made from, their checksums."""
    for name, kind in WRITTEN.items():
        runs.check_writable(folder / name, kind)
    texts = {name: csv_text(table) for name, table in tables.items()}
    for name, text in texts.items():
        runs.write_atomically(folder / name, text, WRITTEN[name])
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    facts = _made_from(run) | {"tables": checksums, "source": source}
    runs.write_atomically(folder / "tables.json", json.dumps(facts, indent=1) + "\n", TABLES)


def tables_are_current(run: Run, folder: Path, *names: str) -> bool:
    """Whether tables of a run, all or those named, were made from its very files, by the very code that would make them now."""
    try:
        facts = json.loads((folder / "tables.json").read_text("utf-8"))
        same = all(facts[name] == value for name, value in _made_from(run).items())
        return same and all(_checksum(folder / name) == facts["tables"][name] for name in names or facts["tables"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def read_table(run: Run, path: Path) -> pd.DataFrame:
    """A table that `write_tables` wrote for this very run."""
    again = "`make report` or `pruning-oracle grade` makes it from the run's files"
    if not path.is_file() or not (path.parent / "tables.json").is_file():
        raise BadInput(f"no table with its provenance at {path}: {again}")
    if not tables_are_current(run, path.parent, path.name):
        raise BadInput(f"{path} was altered, or made by another grader or from other run files than those beside it: {again}")
    return read_csv(path)


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _made_from(run: Run) -> dict[str, str]:
    return {"oracle": run.oracle.checksum, "criteria": run.criteria.checksum, "grader": _grader()}


@functools.cache
def _grader() -> str:
    """The digest of the code that computes the tables, which does not change while it runs."""
    return str(depends_on(GRADER)["sources"])
