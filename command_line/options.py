"""The options that several commands share, each typed and described once.

Nothing here imports what computes: `--help` must be there at once.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

RUNS, REPORT = Path("runs"), Path("report")
PLACE = Path(__file__).parents[1]
CASE, LIBRARY, EXAMPLES, COMPUTING, REPAIR, OUTPUT = (
    "The case",
    "A network of torchvision or timm",
    "Training examples",
    "How it is computed",
    "Repair",
    "Output",
)
A_CASE = "A case's name, a .py file with one function marked @case, or torchvision:NAME or timm:NAME."


def reader(name: str, bounds: str) -> Callable[[Any], Any]:
    """What reads a number of an option within bounds, those of that name in `bench/runs/bounds.py`, which is imported then."""

    def read(value: Any) -> Any:
        found = getattr(importlib.import_module("pruning_oracle.bench.runs.bounds"), bounds)
        return found.read(name, value) if isinstance(value, str) else value

    return read


def number(name: str, bounds: str, text: str, panel: str = "Options", **more: Any) -> Any:
    """An option of that name with a number within bounds."""
    return typer.Option(name, parser=reader(name, bounds), help=text, rich_help_panel=panel, metavar="N", **more)


def option(text: str, panel: str = "Options", **more: Any) -> Any:
    """An option with a text or a path."""
    return typer.Option(help=text, rich_help_panel=panel, **({"show_default": False} | more))


def switch(name: str, text: str, panel: str = "Options") -> Any:
    """An option without a value."""
    return typer.Option(name, help=text, rich_help_panel=panel, show_default=False)


def names_of_cases(incomplete: str) -> list[str]:
    """The suite's cases that begin so, for the shell's completion."""
    names = [file.stem.replace("_", "-") for file in sorted((PLACE / "bench/cases").glob("[a-z]*.py"))]
    return [name for name in names if name.startswith(incomplete)]


Cases = Annotated[list[str], typer.Argument(metavar="CASE", help=A_CASE, show_default=False, autocompletion=names_of_cases)]
Seeds = Annotated[list[int], number("--seeds", "SEED", "Which of a case's trained networks, such as 0 1 2.", CASE)]
Runs = Annotated[Path, option("The folder of the run files.", OUTPUT, show_default=True)]
ReportFolder = Annotated[Path, option("The folder of the report.", OUTPUT, show_default=True)]
Device = Annotated[str, option("auto, cpu, or what torch calls it: cuda, cuda:1, mps, …", COMPUTING, show_default=True)]
Strict = Annotated[bool, switch("--strict", "An example that cannot be read is an error, not left out.", CASE)]
Jobs = Annotated[
    int | None, number("--jobs", "JOBS", "Runs made at a time (default 2, or 1 on a GPU).", COMPUTING, show_default=False)
]
Data = Annotated[str | None, option("Its examples: imagefolder:PATH, npz:PATH, videofolder:PATH.", LIBRARY)]
Weights = Annotated[Path | None, option("Its weights (default: those that `train` made of it).", LIBRARY)]
Size = Annotated[
    int | None, number("--size", "PIXELS", "Pixels of the square it sees (default: as published).", LIBRARY, show_default=False)
]
Name = Annotated[str | None, option("What the run is called (default: after network and data).", LIBRARY)]
Network = Annotated[Path, typer.Argument(metavar="NETWORK", help="A .network file that `prune` wrote.", show_default=False)]
Source = Annotated[
    str | None, option("The case, if it is your own: a .py file, or torchvision:NAME --data … in one word.", CASE)
]
