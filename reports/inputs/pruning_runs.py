"""The runs of the pruning loop: reads their files, and lays their steps out as one table."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.shapes import checked_facts
from pruning_oracle.reports.inputs.read import check_sources
from pruning_oracle.reports.inputs.shapes import LATENCY, PRUNING, SCRATCH, SURVIVAL
from pruning_oracle.reports.inputs.site_names import shown_names

Step = dict[str, Any]
SHAPES = {"pruning": PRUNING, "survival": SURVIVAL, "latency": LATENCY, "scratch": SCRATCH}
MORE = {  # of `make prune-more`: folder, title
    "pruning-far": "How far it goes",
    "pruning-still": "Without learning: two oracles, and criteria",
    "pruning-still-bias": "Without learning, with the removed maps' means carried into biases",
    "pruning-still-batchnorm": "Without learning, with batch norms estimated again",
    "pruning-updates": "Updates between two removals",
}


@dataclass(frozen=True)
class PruningStudy:
    """All pruning runs of a case: for every name its files, one per seed."""

    case: str
    folder: str
    seeds: tuple[int, ...]
    runs: dict[str, list[RunFile]]
    survival: list[RunFile]
    latencies: dict[str, list[RunFile]]  # of the runs whose networks were timed
    scratch: dict[str, list[RunFile]]  # of those that were trained again from nothing

    def rows(self, name: str) -> list[list[Step]]:
        """The steps of every seed's run, without the final fine-tuning."""
        return [[row for row in file.facts["rows"] if not row.get("final")] for file in self.runs[name]]

    @property
    def said(self) -> str:
        """From what the figures of this case come, for captions."""
        facts = next(iter(self.runs.values()))[0].facts
        seeds = f"{len(self.seeds)} seed" + ("" if len(self.seeds) == 1 else "s")
        return f"{seeds}, {facts['precision']} on {facts['device']}, commit {facts['commit'][:12]}"


@dataclass(frozen=True)
class PrunedCase:
    """What the page shows of a case that was pruned: its studies, and why others, or all, are not among them."""

    case: str
    studies: list[PruningStudy]
    why: list[str]  # sentences


def read_study(
    case: str, seeds: Sequence[int], root: Path = runs.RUNS, folder: str = "pruning", partly: bool = False
) -> PruningStudy:
    """The pruning runs of a case at those seeds; a name must be there at all of them or, if `partly`, at any."""
    folders = {seed: runs.folder(case, seed, root) / folder for seed in seeds}
    if partly:
        folders = {seed: own for seed, own in folders.items() if any(own.glob("*.safetensors"))}
    return _study(case, folders, folder, partly)


def _study(case: str, by_seed: dict[int, Path], folder: str, partly: bool) -> PruningStudy:
    folders = list(by_seed.values())
    stems = {path.stem for folder in folders for path in folder.glob("*.safetensors")}
    names = sorted(stems, key=lambda name: name.zfill(9) if name.isdecimal() else name)  # 10, 30 and 100 updates
    if not names:
        raise BadInput(f"no pruning runs under {folders[0]}: `make prune` or `pruning-oracle prune {case}` makes them")
    paths = {name: [folder / f"{checked_name('a run', name)}.safetensors" for folder in folders] for name in names}
    found = {name: [_pruned(path) for path in of if not partly or path.is_file()] for name, of in paths.items()}
    survival = [_read(path, "survival") for folder in folders for path in sorted(folder.glob("*.survival"))]
    latencies, scratch = (_beside(folders, names, kind) for kind in ("latency", "scratch"))
    for files in (found.values(), latencies.values(), scratch.values(), [survival]):
        check_sources([file for several in files for file in several], criteria=False)
    for several in found.values():
        check_sources(several)
    return PruningStudy(case, folder, tuple(by_seed), found, survival, latencies, scratch)


def _read(path: Path, kind: str) -> RunFile:
    return checked_facts(runs.load(path, kind), SHAPES[kind])


def _pruned(path: Path) -> RunFile:
    """A pruning run's file with the names of sites as reports show them; BadInput if its first step has no maps at a site."""
    file = _read(path, "pruning")
    rows = file.facts["rows"]
    first = rows[:1]
    if any(len(row["sites"]) != len(file.facts["sites"]) for row in rows):
        raise BadInput(f"{path} is damaged: a step does not say how many maps every site has")
    if not first or min([*first[0]["sites"], first[0]["maps"], first[0]["flops"], first[0]["parameters"]]) <= 0:
        raise BadInput(f"{path} is damaged: its first step is of a network without maps")
    return dataclasses.replace(file, facts=file.facts | {"sites": list(shown_names(file.facts["sites"]).values())})


def _beside(folders: Sequence[Path], names: Sequence[str], kind: str) -> dict[str, list[RunFile]]:
    """What was made of runs' networks, where it was made of any."""
    paths = {name: [folder / f"{name}.{kind}" for folder in folders] for name in names}
    found = {name: [_read(path, kind) for path in of if path.is_file()] for name, of in paths.items()}
    return {name: files for name, files in found.items() if files}


def read_studies(case: str, seeds: Sequence[int], root: Path = runs.RUNS) -> list[PruningStudy]:
    """The runs of `make prune`, and the studies of `make prune-more` that are there at every seed."""
    more = [name for name in MORE if _whole([runs.folder(case, seed, root) / name for seed in seeds])]
    return [read_study(case, seeds, root, name) for name in ("pruning", *more)]


def found_studies(case: str, seeds: Sequence[int], root: Path = runs.RUNS) -> PrunedCase:
    """Every pruning run of a case at whichever of the seeds it is; what cannot be read is left out, and it says why."""
    studies, why = list[PruningStudy](), list[str]()
    for folder in ("pruning", *MORE):
        if any(any((runs.folder(case, seed, root) / folder).glob("*.safetensors")) for seed in seeds):
            try:
                studies.append(read_study(case, seeds, root, folder, partly=True))
            except BadInput as error:
                why.append(f"Left out, {folder}: {error}.")
    none = (
        f"No pruning run of {case} was found: `pruning-oracle prune {case} --criterion taylor` makes one, `make prune` several."
    )
    return PrunedCase(case, studies, why if studies or why else [none])


def files_of(case: str, seeds: Sequence[int], root: Path) -> list[Path]:
    """The files of every pruning run of a case, and what was made of its network."""
    folders = [runs.folder(case, seed, root) / folder for seed in seeds for folder in ("pruning", *MORE)]
    kinds = ("safetensors", "survival", "latency", "scratch")
    return sorted(file for folder in folders for kind in kinds for file in folder.glob(f"*.{kind}"))


def _whole(folders: Sequence[Path]) -> bool:
    """Whether folders hold runs, all of the same names; says where some are missing."""
    names = [{path.stem for path in folder.glob("*.safetensors")} for folder in folders]
    every = set[str]().union(*names)
    for folder, found in zip(folders, names, strict=True):
        if missing := ", ".join(sorted(every - found)):
            print(f"left out: {folder.name}, of which {folder} lacks {missing}: make prune-more makes it")
    return bool(every) and all(found == every for found in names)


def steps(pruned: PruningStudy) -> pd.DataFrame:
    """One row per step of every run, and one per retrained subset."""
    rows = []
    for name, files in pruned.runs.items():
        for file in files:
            head = {"case": pruned.case, "study": pruned.folder, "run": name, "seed": file.facts["seed"]}
            for step, row in enumerate(file.facts["rows"]):
                plain = {key: value for key, value in row.items() if key not in {"removed", "seconds", "sites", "final"}}
                left_over = {"sites": " ".join(map(str, row["sites"])), "final": bool(row.get("final"))}
                rows.append(head | {"step": step} | plain | left_over | {f"{key}, s": s for key, s in row["seconds"].items()})
    for file in pruned.survival:
        head = {"case": pruned.case, "study": "survival", "seed": file.facts["seed"]}
        for row in file.facts["rows"]:
            found = {"run": f"{row['chosen by']} {row['share']:.0%}", "loss before": row["loss"]}
            found |= {name: row[name] for name in row if name == "test_loss" or name.startswith(("loss after ", "sum of "))}
            rows.append(head | found | {"test_accuracy": row["accuracy"]})
    return pd.DataFrame(rows)
