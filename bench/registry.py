"""The registry of cases: @case makes a definition of a function, and definitions are found by name or by file."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe
from pruning_oracle.bench.training.from_scratch import ScratchRecipe


@dataclass(frozen=True)
class Definition:
    """A registered case: how to load it at a seed, how its model is trained if it is here, and how it is pruned."""

    name: str
    build: Callable[[int], Case]
    file: str
    training: ScratchRecipe | FineTuneRecipe | None = None
    pruning: PruningSettings | None = None  # None: settings that follow from the number of maps


CASES: dict[str, Definition] = {}


def case(
    build: Callable[[int], Case] | None = None,
    *,
    training: ScratchRecipe | FineTuneRecipe | None = None,
    pruning: PruningSettings | None = None,
) -> Callable[..., Any]:
    """Registers a function `seed -> Case` under its own name, with hyphens for underscores."""
    if build is None:
        return functools.partial(case, training=training, pruning=pruning)
    name, file = build.__name__.replace("_", "-"), build.__code__.co_filename
    if name in CASES and Path(CASES[name].file).resolve() != Path(file).resolve():
        raise BadInput(f"case {name!r} in {file} already exists in {CASES[name].file}: give it another name")
    CASES[name] = Definition(name, build, file, training, pruning)
    return build
