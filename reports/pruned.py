"""The runs of the pruning loop: reads their files, and makes the page of their curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import runs
from bench.errors import BadInput
from bench.runs import RunFile
from reports.page import part, style, template
from reports.read import check_commits

Row = dict[str, Any]
MORE = {  # of `make prune-more`: folder, title
    "pruning-still": "Without learning: two oracles, and criteria",
    "pruning-updates": "Updates between two removals",
}


@dataclass(frozen=True)
class Pruned:
    """All pruning runs of a case: for every name its files, one per seed."""

    case: str
    folder: str
    seeds: tuple[int, ...]
    runs: dict[str, list[RunFile]]
    survival: list[RunFile]

    def rows(self, name: str) -> list[list[Row]]:
        """The steps of every seed's run, without the final fine-tuning."""
        return [[row for row in file.facts["rows"] if not row.get("final")] for file in self.runs[name]]

    @property
    def said(self) -> str:
        """From what the figures of this case come, for captions."""
        facts = next(iter(self.runs.values()))[0].facts
        seeds = f"{len(self.seeds)} seed" + ("" if len(self.seeds) == 1 else "s")
        return f"{seeds}, {facts['precision']} on {facts['device']}, commit {facts['commit'][:12]}"


def read(case: str, seeds: Sequence[int], root: Path = runs.RUNS, folder: str = "pruning") -> Pruned:
    """The pruning runs of a case at those seeds; a name must be there at all of them."""
    folders = [runs.folder(case, seed, root) / folder for seed in seeds]
    names = sorted({path.stem for folder in folders for path in folder.glob("*.safetensors")})
    if not names:
        raise BadInput(f"no pruning runs under {folders[0]}: `make prune` or `python -m pruning {case}` makes them")
    found = {name: [runs.load(folder / f"{name}.safetensors", "pruning") for folder in folders] for name in names}
    survival = [runs.load(path, "survival") for folder in folders for path in sorted(folder.glob("*.survival"))]
    check_commits([file for files in found.values() for file in files])
    return Pruned(case, folder, tuple(seeds), found, survival)


def read_all(case: str, seeds: Sequence[int], root: Path = runs.RUNS) -> list[Pruned]:
    """The runs of `make prune`, and those of `make prune-more` that are there."""
    more = [name for name in MORE if (runs.folder(case, seeds[0], root) / name).is_dir()]
    return [read(case, seeds, root, name) for name in ("pruning", *more)]


def write(known: list[list[Pruned]], out: Path) -> Path:
    """Writes `pruning.html` with its figures."""
    from reports.sections import curves, left, survival  # noqa: PLC0415 (they read this file)

    style()
    cases = []
    for first, *others in known:
        made = [curves.section(first), left.section(first), survival.section(first)]
        made += [curves.section(other, MORE[other.folder]) for other in others]
        shown = [part(found, f"pruning-{first.case}", out) for found in made if found]
        cases.append({"name": first.case, "sections": shown})
    runs.write_atomically(out / "pruning.html", template("pruning.html").render(cases=cases))
    return out / "pruning.html"
