"""The registry of cases: the decorator `@case` turns a function into a Definition, which `CASES` holds by its name."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.class_names import CLASS_NAMES
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.pruning_settings import PruningSettings
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe
from pruning_oracle.bench.training.from_scratch import ScratchRecipe


@dataclass(frozen=True)
class Definition:
    """A registered case: the function that builds it from a seed, the file it is in, and how it is trained and pruned."""

    name: str
    build: Callable[[int], Case]
    file: str
    training: ScratchRecipe | FineTuneRecipe | None = None  # None: the weights were made by others
    pruning: PruningSettings | None = None  # None: `usual_settings` for its number of maps
    classes: Sequence[str] | str = ()  # their names by label, or the data set of `CLASS_NAMES`; (): as the data say

    def __post_init__(self) -> None:
        checked_name("the name of a case", self.name)
        if isinstance(self.classes, str) and self.classes not in CLASS_NAMES:
            raise unknown("data set whose classes have names", self.classes, CLASS_NAMES)


CASES: dict[str, Definition] = {}


def case(
    build: Callable[[int], Case] | None = None,
    *,
    training: ScratchRecipe | FineTuneRecipe | None = None,
    pruning: PruningSettings | None = None,
    classes: Sequence[str] | str = (),
) -> Callable[..., Any]:
    """A decorator that registers a function `seed -> Case` under the function's name, with hyphens for underscores.

    `classes` names its classes by label, or the data set of the suite whose names they have. BadInput if another file has
    registered a case of that name.
    """
    if build is None:
        return functools.partial(case, training=training, pruning=pruning, classes=classes)
    name, file = build.__name__.replace("_", "-"), build.__code__.co_filename
    if name in CASES and Path(CASES[name].file).resolve() != Path(file).resolve():
        raise BadInput(f"case {name!r} in {file} already exists in {CASES[name].file}: give it another name")
    CASES[name] = Definition(name, build, file, training, pruning, classes)
    return build
